#include "vcas/control/benefit_gate.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace vcas::control {
namespace {

/// Whether a weight's gradient over `kept` of some rows costs less than over all of them.
bool pays(const WeightGradientCost& cost, int64_t kept, int64_t rows) {
  const auto left_out = static_cast<double>(rows - kept);
  return cost.draw + cost.scored_row * static_cast<double>(rows) < cost.row * left_out;
}

}  // namespace

BenefitGate::BenefitGate(EncoderLayerCost cost, SamplingLayout layout)
    : cost_(std::move(cost)), layout_(std::move(layout)) {
  for (const auto& block : layout_.blocks)
    TORCH_CHECK(block.size() == cost_.linears.size(), "benefit gate: expected costs of ", block.size(),
                " linears, got ", cost_.linears.size());
}

/// Whether the work on the rows that a block's SampleA would leave out, its weight gradients included, takes
/// longer than to leave them out.
bool BenefitGate::leaving_out_pays(size_t block, const std::vector<double>& row_keep_ratio,
                                   double left_out_rows, double rows) const {
  const auto& linears = layout_.blocks[block];
  double on_all_rows = 0, together = 0, weight_gradients = 0;
  for (size_t i = 0; i < linears.size(); ++i) {
    together += cost_.linears[i].row;
    if (linears[i].one_row_per_sample) continue;
    on_all_rows += cost_.linears[i].row;
    if (linears[i].trainable) weight_gradients += cost_.linears[i].row * row_keep_ratio[i];
  }
  // A block that computes one row a sample does little on the others.
  const double share = together > 0 ? on_all_rows / together : 1;
  const double saved = (share * cost_.block.row + weight_gradients) * left_out_rows;
  return saved > cost_.block.draw + cost_.block.batch_row * rows;
}

std::pair<sampling::SamplingPlan, GatedParts> BenefitGate::apply(sampling::SamplingPlan plan,
                                                                 const std::vector<int64_t>& offsets) const {
  GatedParts gated;
  if (!plan.sampled) return {std::move(plan), std::move(gated)};
  const auto samples = static_cast<int64_t>(offsets.size()) - 1;
  const auto rows = static_cast<double>(offsets.back());
  bool compact = false;
  for (size_t l = plan.sample_keep_ratio.size(); l-- > 0;) {
    const auto& linears = layout_.blocks[l];
    auto& row_keep_ratio = plan.row_keep_ratio[l];
    const auto kept = sampling::count_from_ratio(plan.sample_keep_ratio[l], samples);
    double share = static_cast<double>(kept) / static_cast<double>(samples);
    if (!compact && share < 1 && !leaving_out_pays(l, row_keep_ratio, rows * (1 - share), rows)) {
      gated.blocks.push_back(static_cast<int64_t>(l));
      plan.sample_keep_ratio[l] = share = 1;
    }
    compact = compact || share < 1;
    for (size_t i = 0; i < linears.size(); ++i) {
      if (!linears[i].trainable || row_keep_ratio[i] >= 1) continue;
      const double arriving = share * (linears[i].one_row_per_sample ? static_cast<double>(samples) : rows);
      const auto available = std::max<int64_t>(1, std::llround(arriving));
      const int64_t kept_of_them = sampling::count_from_ratio(row_keep_ratio[i], available);
      if (kept_of_them >= available || pays(cost_.linears[i], kept_of_them, available)) continue;
      gated.weights.push_back(linears[i].name);
      row_keep_ratio[i] = 1;
    }
  }
  return {std::move(plan), std::move(gated)};
}

}  // namespace vcas::control
