#include "vcas/control/benefit_gate.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

namespace vcas::control {

BenefitGate::BenefitGate(EncoderLayerCost cost, SamplingLayout layout)
    : cost_(std::move(cost)), layout_(std::move(layout)) {
  for (const auto& block : layout_.blocks)
    TORCH_CHECK(block.size() == cost_.linears.size(), "benefit gate: expected costs of ", block.size(),
                " linears, got ", cost_.linears.size());
}

bool BenefitGate::pays(const WeightGradientCost& cost, double rows, double ratio) const {
  const double kept = static_cast<double>(
      sampling::count_from_ratio(ratio, std::max<int64_t>(1, static_cast<int64_t>(rows))));
  return cost.draw + cost.scored_row * rows + cost.kept_row * kept < cost.row * rows;
}

sampling::SamplingPlan BenefitGate::apply(sampling::SamplingPlan plan, const std::vector<int64_t>& offsets,
                                          GatedParts& gated) const {
  gated = {};
  if (!plan.sampled) return plan;
  const auto samples = static_cast<double>(offsets.size()) - 1;
  const auto rows = static_cast<double>(offsets.back());
  double above = 1;
  for (size_t l = plan.sample_keep_ratio.size(); l-- > 0;) {
    double& ratio = plan.sample_keep_ratio[l];
    const double saved = cost_.block.row * (above - ratio) * rows;
    // Below a block that left samples out, compact rows are the rule already.
    const double paid = cost_.block.draw + (above == 1 ? cost_.block.batch_row * rows : 0);
    if (ratio < above && saved <= paid) {
      gated.blocks.push_back(static_cast<int64_t>(l));
      ratio = above;
    }
    above = ratio;
    for (size_t i = 0; i < layout_.blocks[l].size(); ++i) {
      const auto& linear = layout_.blocks[l][i];
      double& kept = plan.row_keep_ratio[l][i];
      const double available = ratio * (linear.one_row_per_sample ? samples : rows);
      if (kept >= 1 || !linear.trainable || pays(cost_.linears[i], available, kept)) continue;
      gated.weights.push_back(linear.name);
      kept = 1;
    }
  }
  return plan;
}

}  // namespace vcas::control
