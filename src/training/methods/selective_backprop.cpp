#include "vcas/training/methods/selective_backprop.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "nn/host_values.h"
#include "sampling/draw.h"
#include "training/methods/kept_samples.h"

namespace vcas::training {

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

SelectiveBackprop::SelectiveBackprop(const SelectiveBackpropOptions& options, sampling::SamplingLayout layout,
                                     uint64_t seed)
    : options_(options), layout_(std::move(layout)), seed_(seed), history_(options.history_size) {
  TORCH_CHECK(options.beta >= 0, "selective backprop: expected beta >= 0, got ", options.beta);
}

MicroBatchGradient SelectiveBackprop::backward(MicroBatch& batch, double loss_scale) {
  const auto losses = nn::to_vector<double>(batch.pass.sample_losses());
  history_.add(losses);
  const auto number = nn::to_vector<double>(sampling::uniform(
      static_cast<int64_t>(losses.size()), selection_stream(seed_, batch), batch.pass.loss()));
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
  return backward_of_kept(batch, layout_, weights, static_cast<int64_t>(kept.size()), loss_scale, status_);
}

MethodState SelectiveBackprop::state() const { return {nullptr, {nn::to_tensor(history_.values())}}; }

void SelectiveBackprop::load_state(const MethodState& state) {
  TORCH_CHECK(state.tensors.size() == 1, "selective backprop: expected a tensor of past losses, got ",
              state.tensors.size(), " tensors");
  history_ = LossHistory(options_.history_size);
  history_.add(nn::to_vector<double>(state.tensors.front()));
}

}  // namespace vcas::training
