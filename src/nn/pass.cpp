#include "vcas/nn/pass.h"

#include <ATen/ops/full_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <iterator>
#include <utility>

namespace vcas::nn {
Pass::Pass(Recording recording, std::vector<at::Tensor> parameters, std::unique_ptr<Loss> loss,
           const Flops& outside, at::Tensor sample_weights)
    : recording_(std::move(recording)),
      parameters_(std::move(parameters)),
      loss_(std::move(loss)),
      outside_(outside),
      sample_weights_(std::move(sample_weights)),
      value_(loss_->total(sample_weights_)) {}

Flops Pass::exact_flops() const {
  Flops flops;
  for (const auto& block : recording_.blocks()) flops += block.exact;
  flops += outside_;
  return flops;
}

BackwardResult Pass::backward(const BackwardRequest& request) {
  recording_.write(request.plan);
  const at::Tensor loss = request.sample_weights.defined() ? loss_->total(request.sample_weights) : value_;
  auto inputs = parameters_;
  for (const auto& block : recording_.blocks()) {
    inputs.push_back(block.flops);
    if (!request.want_statistics) continue;
    inputs.push_back(block.sample_norms);
    inputs.push_back(block.row_scores);
  }
  auto values = torch::autograd::grad({loss}, inputs, {at::full_like(loss, request.loss_scale)},
                                      /*retain_graph=*/!request.last_pass);
  BackwardResult result;
  auto next = values.begin() + static_cast<std::ptrdiff_t>(parameters_.size());
  result.gradients.assign(std::make_move_iterator(values.begin()), std::make_move_iterator(next));
  for (const auto& block : recording_.blocks()) {
    result.flops += (next++)->item<double>();
    if (!request.want_statistics) continue;
    auto norms = std::move(*next++);
    result.statistics.blocks.push_back(
        sampling::block_statistics(std::move(norms), *next, block.weight_offsets));
    ++next;
  }
  result.flops += outside_.backward;
  return result;
}

}  // namespace vcas::nn
