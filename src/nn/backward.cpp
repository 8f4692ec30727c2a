#include "vcas/nn/backward.h"

#include <ATen/ops/full_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <iterator>

namespace vcas::nn {

BackwardOutcome backward(const at::Tensor& loss, const std::vector<at::Tensor>& parameters,
                         Recording& recording, const sampling::SamplingPlan& plan,
                         const BackwardOptions& options) {
  recording.write(plan);
  auto inputs = parameters;
  for (const auto& block : recording.blocks()) {
    inputs.push_back(block.probes.flops);
    if (options.want_stats) {
      inputs.push_back(block.probes.sample_norms);
      inputs.push_back(block.probes.row_scores);
    }
  }
  auto values = torch::autograd::grad({loss}, inputs, {at::full_like(loss, options.loss_scale)},
                                      /*retain_graph=*/!options.last_pass);
  BackwardOutcome outcome;
  auto next = values.begin() + static_cast<std::ptrdiff_t>(parameters.size());
  outcome.gradients.assign(std::make_move_iterator(values.begin()), std::make_move_iterator(next));
  for (size_t i = 0; i < recording.blocks().size(); ++i) {
    auto& stats = outcome.blocks.emplace_back();
    stats.flops = *next++;
    outcome.block_flops += stats.flops.item<double>();
    if (!options.want_stats) continue;
    stats.sample_norms = *next++;
    stats.row_scores = *next++;
  }
  return outcome;
}

}  // namespace vcas::nn
