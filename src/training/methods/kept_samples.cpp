#include "training/methods/kept_samples.h"

#include <utility>

#include "nn/host_values.h"

namespace vcas::training {
namespace {

/// By block: the share of the samples at which a gradient arrives.
std::vector<double> arriving_shares(const sampling::SamplingLayout& layout, double kept_share) {
  std::vector<double> shares(layout.blocks.size(), kept_share);
  const auto below_mixing = sampling::below_mixing_blocks(layout);
  for (size_t l = 0; l < shares.size(); ++l) {
    if (below_mixing[l]) shares[l] = 1;
  }
  return shares;
}

}  // namespace

sampling::StreamKey selection_stream(uint64_t seed, const MicroBatch& batch) {
  sampling::StreamKey stream;
  stream.seed = seed;
  stream.micro_batch = static_cast<uint32_t>(batch.info.number);
  stream.site = sampling::Site::sample_selection;
  return stream;
}

MicroBatchGradient backward_of_kept(MicroBatch& batch, const sampling::SamplingLayout& layout,
                                    const std::vector<double>& weights, int64_t kept, double loss_scale,
                                    std::optional<SamplingStatus>& status) {
  const double kept_share = static_cast<double>(kept) / static_cast<double>(weights.size());
  sampling::SamplingPlan plan;
  plan.sampled = kept_share < 1;
  plan.sample_keep_ratio = arriving_shares(layout, kept_share);
  for (const auto& block : layout.blocks) plan.row_keep_ratio.emplace_back(block.weights.size(), 1);
  status.emplace();
  status->sample_keep_ratio = plan.sample_keep_ratio;
  auto result = batch.pass.backward(
      {.plan = std::move(plan), .loss_scale = loss_scale, .sample_weights = nn::to_tensor(weights)});
  return {std::move(result.gradients), result.flops, 0};
}

}  // namespace vcas::training
