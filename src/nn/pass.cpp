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
  std::vector<at::Tensor> inputs = parameters_;
  const auto ask = [&](const at::Tensor& zero) {
    if (zero.defined()) inputs.push_back(zero);
  };
  for (const auto& block : recording_.blocks()) {
    ask(block.flops);
    if (!request.want_statistics) continue;
    ask(block.sample_norms);
    ask(block.row_scores);
  }
  auto values = torch::autograd::grad({loss}, inputs, {at::full_like(loss, request.loss_scale)},
                                      /*retain_graph=*/!request.last_pass);
  BackwardResult result;
  auto next = values.begin() + static_cast<std::ptrdiff_t>(parameters_.size());
  result.gradients.assign(std::make_move_iterator(values.begin()), std::make_move_iterator(next));
  const auto answer = [&](const at::Tensor& zero) {
    return zero.defined() ? std::move(*next++) : at::Tensor();
  };
  for (const auto& block : recording_.blocks()) {
    const at::Tensor flops = answer(block.flops);
    result.flops += flops.defined() ? flops.item<double>() : block.exact.backward;
    if (!request.want_statistics) continue;
    at::Tensor norms = answer(block.sample_norms);
    result.statistics.blocks.push_back(
        sampling::block_statistics(std::move(norms), answer(block.row_scores), block.weight_offsets));
  }
  result.flops += outside_.backward;
  return result;
}

}  // namespace vcas::nn
