#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "vcas/nn/recording.h"
#include "vcas/sampling/plan.h"

namespace vcas::nn {

struct BackwardOptions {
  double loss_scale = 1;    ///< multiplies the loss
  bool want_stats = false;  ///< norms and scores of every block
  bool last_pass = true;    ///< frees the graph
};

struct BackwardOutcome {
  std::vector<at::Tensor> gradients;            ///< one a parameter given
  std::vector<sampling::SamplingStats> blocks;  ///< by block; flops always, the rest with want_stats
  double block_flops = 0;                       ///< of all blocks
};

/// One backward pass under a plan, over a forward pass that was recorded. Gradients come back as values;
/// nothing is accumulated into .grad.
/// @param loss 0-dim. @param parameters leaves that require a gradient and that the loss depends on.
BackwardOutcome backward(const at::Tensor& loss, const std::vector<at::Tensor>& parameters,
                         Recording& recording, const sampling::SamplingPlan& plan,
                         const BackwardOptions& options);

}  // namespace vcas::nn
