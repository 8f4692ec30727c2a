#include "vcas/training/baselines.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "training/host_values.h"
#include "vcas/sampling/draw.h"
#include "vcas/sampling/host.h"

namespace vcas::training {
namespace {

std::vector<size_t> counts_of(const std::vector<std::vector<models::SampledLinear>>& linears) {
  std::vector<size_t> counts;
  counts.reserve(linears.size());
  for (const auto& block : linears) counts.push_back(block.size());
  return counts;
}

sampling::StreamKey selection_stream(uint64_t seed, const MicroBatch& batch) {
  sampling::StreamKey stream;
  stream.seed = seed;
  stream.micro_batch = static_cast<uint32_t>(batch.number);
  stream.site = sampling::Site::sample_selection;
  return stream;
}

/// Every block works on the samples whose gradient arrives: as many as are counted, so that each of them has
/// probability 1.
sampling::SamplingPlan plan_of(const std::vector<size_t>& linears, double kept_share) {
  sampling::SamplingPlan plan;
  plan.sampled = kept_share < 1;
  plan.sample_keep_ratio.assign(linears.size(), kept_share);
  for (const size_t count : linears) plan.row_keep_ratio.emplace_back(count, 1);
  return plan;
}

/// Only samples whose weight is not zero go backward.
MicroBatchGradient backward_of_kept(const MicroBatch& batch, const std::vector<size_t>& linears,
                                    const std::vector<double>& weights, int64_t kept, double loss_scale,
                                    std::optional<SamplingStatus>& status) {
  const double kept_share = static_cast<double>(kept) / static_cast<double>(weights.size());
  auto plan = plan_of(linears, kept_share);
  status = SamplingStatus{.s = std::nullopt,
                          .sample_keep_ratio = plan.sample_keep_ratio,
                          .row_keep_ratio = {},
                          .last_adaptation = std::nullopt,
                          .gated = std::nullopt};
  auto result = batch.pass->backward(
      {.plan = std::move(plan), .loss_scale = loss_scale, .sample_weights = to_tensor(weights)});
  return {std::move(result.gradients), result.flops, 0};
}

}  // namespace

LossHistory::LossHistory(int64_t capacity) : capacity_(static_cast<size_t>(capacity)) {
  TORCH_CHECK(capacity >= 1, "selective backprop: expected history_size >= 1, got ", capacity);
}

void LossHistory::add(const std::vector<double>& losses) {
  losses_.insert(losses_.end(), losses.begin(), losses.end());
  while (losses_.size() > capacity_) losses_.pop_front();
}

double LossHistory::share_at_most(double loss) const {
  if (losses_.empty()) return 0;
  const auto at_most =
      std::count_if(losses_.begin(), losses_.end(), [loss](double past) { return past <= loss; });
  return static_cast<double>(at_most) / static_cast<double>(losses_.size());
}

SelectiveBackprop::SelectiveBackprop(const SelectiveBackpropOptions& options,
                                     const std::vector<std::vector<models::SampledLinear>>& linears,
                                     uint64_t seed)
    : options_(options), linears_(counts_of(linears)), seed_(seed), history_(options.history_size) {
  TORCH_CHECK(options.beta >= 0, "selective backprop: expected beta >= 0, got ", options.beta);
}

MicroBatchGradient SelectiveBackprop::backward(const MicroBatch& batch, double loss_scale) {
  const auto losses = to_vector<double>(batch.pass->sample_losses());
  history_.add(losses);
  const auto number = to_vector<double>(sampling::uniform(
      static_cast<int64_t>(losses.size()), selection_stream(seed_, batch), batch.pass->logits()));
  std::vector<size_t> kept;
  for (size_t i = 0; i < losses.size(); ++i) {
    if (number[i] < std::pow(history_.share_at_most(losses[i]), options_.beta)) kept.push_back(i);
  }
  if (kept.empty())
    kept.push_back(static_cast<size_t>(std::max_element(losses.begin(), losses.end()) - losses.begin()));
  // The mean over all samples becomes the mean over the kept ones.
  std::vector<double> weights(losses.size(), 0);
  for (const size_t i : kept)
    weights[i] = static_cast<double>(losses.size()) / static_cast<double>(kept.size());
  return backward_of_kept(batch, linears_, weights, static_cast<int64_t>(kept.size()), loss_scale, status_);
}

MethodState SelectiveBackprop::state() const { return {nullptr, {to_tensor(history_.values())}}; }

void SelectiveBackprop::load_state(const MethodState& state) {
  TORCH_CHECK(state.tensors.size() == 1, "selective backprop: expected a tensor of past losses, got ",
              state.tensors.size(), " tensors");
  history_ = LossHistory(options_.history_size);
  history_.add(to_vector<double>(state.tensors.front()));
}

UpperBoundSampling::UpperBoundSampling(const UpperBoundOptions& options, sampling::DrawMethod draw_method,
                                       const std::vector<std::vector<models::SampledLinear>>& linears,
                                       uint64_t seed)
    : options_(options), draw_method_(draw_method), linears_(counts_of(linears)), seed_(seed) {
  TORCH_CHECK(0 < options.keep_ratio && options.keep_ratio <= 1,
              "upper bound sampling: expected keep_ratio in (0, 1], got ", options.keep_ratio);
}

MicroBatchGradient UpperBoundSampling::backward(const MicroBatch& batch, double loss_scale) {
  const auto norms = to_vector<double>(batch.pass->logit_gradient_norms());
  const auto samples = static_cast<int64_t>(norms.size());
  const int64_t count = sampling::count_from_ratio(options_.keep_ratio, samples);
  const auto draw = sampling::draw(norms, count, draw_method_, selection_stream(seed_, batch));
  std::vector<double> weights(norms.size(), 0);
  for (size_t i = 0; i < draw.indices.size(); ++i)
    weights[static_cast<size_t>(draw.indices[i])] = draw.scales[i];
  // A bernoulli draw may keep none; a plan counts at least one.
  const auto kept = std::max<int64_t>(static_cast<int64_t>(draw.indices.size()), 1);
  return backward_of_kept(batch, linears_, weights, kept, loss_scale, status_);
}

}  // namespace vcas::training
