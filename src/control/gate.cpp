#include "vcas/control/gate.h"

#include <c10/util/Exception.h>

#include <algorithm>

namespace vcas::control {
namespace {

/// Rows of the batch that a block runs on: those of the weight that runs on most.
int64_t batch_rows(const sampling::BlockRows& rows) {
  int64_t most = rows.samples;
  for (const int64_t of_weight : rows.weight_rows) most = std::max(most, of_weight);
  return most;
}

/// Share of the batch's rows that a weight runs on. One row a sample, where others run on many, counts as
/// none: it saves next to nothing.
double row_share(int64_t of_weight, int64_t samples, int64_t all) {
  if (of_weight <= samples && samples < all) return 0;
  return static_cast<double>(of_weight) / static_cast<double>(all);
}

/// True where the work on the rows that a block's SampleA would leave out, its weight gradients included,
/// takes longer than to leave them out.
bool leaving_out_pays(const BlockCost& cost, const sampling::SampledBlock& block,
                      const std::vector<double>& nu, const sampling::BlockRows& rows, double left_out_share) {
  const int64_t batch = batch_rows(rows);
  const auto all = static_cast<double>(batch);
  double work = 0, work_together = 0, weight_gradients = 0;
  for (size_t w = 0; w < block.weights.size(); ++w) {
    const double share = row_share(rows.weight_rows[w], rows.samples, batch);
    work_together += cost.weights[w].row;
    work += cost.weights[w].row * share;
    if (block.weights[w].trainable) weight_gradients += cost.weights[w].row * nu[w] * share;
  }
  // A block whose weights run on few of its rows does little on the others.
  const double share = work_together > 0 ? work / work_together : 1;
  const double saved = (share * cost.backward.row + weight_gradients) * (all * left_out_share);
  return saved > cost.backward.draw + cost.backward.batch_row * all;
}

/// True where a weight's gradient over `kept` of some rows costs less than over all of them.
bool leaving_out_pays(const WeightGradientCost& cost, int64_t kept, int64_t rows) {
  const auto left_out = static_cast<double>(rows - kept);
  return cost.draw + cost.scored_row * static_cast<double>(rows) < cost.row * left_out;
}

}  // namespace

BenefitGate::BenefitGate(sampling::SamplingLayout layout, BlockCosts costs)
    : layout_(std::move(layout)), costs_(std::move(costs)) {
  if (costs_.empty()) costs_.resize(layout_.blocks.size());
  TORCH_CHECK(costs_.size() == layout_.blocks.size(), "benefit gate: expected costs of ",
              layout_.blocks.size(), " blocks, got ", costs_.size());
  for (size_t l = 0; l < costs_.size(); ++l) {
    const auto& block = layout_.blocks[l];
    TORCH_CHECK(!costs_[l] || costs_[l]->weights.size() == block.weights.size(),
                "benefit gate: expected costs of ", block.weights.size(), " weights of ", block.name,
                ", got ", costs_[l]->weights.size());
  }
}

bool BenefitGate::knows_costs() const {
  return std::any_of(costs_.begin(), costs_.end(), [](const auto& cost) { return cost.has_value(); });
}

std::pair<sampling::SamplingPlan, GatedParts> BenefitGate::apply(
    sampling::SamplingPlan plan, const std::vector<sampling::BlockRows>& rows) const {
  GatedParts gated;
  if (!plan.sampled) return {std::move(plan), std::move(gated)};
  TORCH_CHECK(rows.size() == layout_.blocks.size(), "benefit gate: expected rows of ", layout_.blocks.size(),
              " blocks, got ", rows.size());
  bool compact = false;
  for (size_t l = layout_.blocks.size(); l-- > 0;) {
    const auto& block = layout_.blocks[l];
    auto& rho = plan.sample_keep_ratio[l];
    auto& nu = plan.row_keep_ratio[l];
    TORCH_CHECK(rows[l].weight_rows.size() == block.weights.size(), "benefit gate: expected rows of ",
                block.weights.size(), " weights of ", block.name, ", got ", rows[l].weight_rows.size());
    if (sampling::is_topmost(layout_, l) || layout_.blocks[l + 1].mixes_samples) compact = false;
    const auto kept = sampling::count_from_ratio(rho, rows[l].samples);
    const double left_out = 1 - static_cast<double>(kept) / static_cast<double>(rows[l].samples);
    const bool leaves_out = kept < rows[l].samples;
    if (leaves_out && !compact && costs_[l] && !leaving_out_pays(*costs_[l], block, nu, rows[l], left_out)) {
      gated.blocks.push_back(static_cast<int64_t>(l));
      rho = 1;
    } else {
      compact = compact || leaves_out;
    }
    if (!costs_[l]) continue;
    const auto counts = sampling::block_counts(rho, nu, rows[l]);
    for (size_t w = 0; w < block.weights.size(); ++w) {
      const bool samples = block.weights[w].trainable && counts.kept[w] != sampling::BlockPlan::kAllRows &&
                           counts.kept[w] < counts.available[w];
      if (!samples || leaving_out_pays(costs_[l]->weights[w], counts.kept[w], counts.available[w])) continue;
      gated.weights.push_back(block.weights[w].name);
      nu[w] = 1;
    }
  }
  return {std::move(plan), std::move(gated)};
}

}  // namespace vcas::control
