#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "vcas/nn/flops.h"
#include "vcas/nn/loss.h"
#include "vcas/nn/recording.h"
#include "vcas/sampling/plan.h"
#include "vcas/sampling/statistics.h"

namespace vcas::nn {

/// What one backward pass is to do.
struct BackwardRequest {
  sampling::SamplingPlan plan = {};  ///< exact when default-constructed
  double loss_scale = 1;             ///< multiplies the loss: 1/accumulation steps, or a loss scaler's
  /// [N]: the gradient is that of Σ weight_i · loss_i / divisor. Undefined: the batch's own.
  at::Tensor sample_weights = {};
  bool want_statistics = false;  ///< fills BackwardResult::statistics
  bool last_pass = true;         ///< frees the graph
};

/// What one backward pass gave.
struct BackwardResult {
  /// One a trainable parameter; sparse COO, coalesced or not, for those that Model::rows_read() names.
  std::vector<at::Tensor> gradients;
  sampling::PassStatistics statistics;  ///< empty unless asked for
  double flops = 0;                     ///< performed in this pass
};

/// One forward pass and as many backward passes over it as wanted, each with its own plan. Gradients come
/// back as values; nothing is accumulated into .grad.
class Pass {
 public:
  /// @param recording of the blocks that the pass went through.
  /// @param parameters leaves that require a gradient, in the order in which gradients are wanted.
  /// @param loss of the forward pass, not null.
  /// @param outside operations outside the blocks; the same in every pass.
  /// @param sample_weights [N] factors of the samples' losses, or undefined: all 1.
  Pass(Recording recording, std::vector<at::Tensor> parameters, std::unique_ptr<Loss> loss,
       const Flops& outside, at::Tensor sample_weights = {});

  /// 0-dim with a graph.
  const at::Tensor& loss() const { return value_; }
  at::Tensor sample_losses() const { return loss_->sample_losses(); }
  at::Tensor output_gradient_norms() const { return loss_->output_gradient_norms(); }
  /// Operations of this forward pass, and of an exact backward pass over it.
  Flops exact_flops() const;
  /// What each block ran on, block nearest the input first.
  std::vector<sampling::BlockRows> rows() const { return recording_.rows(); }

  BackwardResult backward(const BackwardRequest& request);

 private:
  Recording recording_;
  std::vector<at::Tensor> parameters_;
  std::unique_ptr<Loss> loss_;
  Flops outside_;
  at::Tensor sample_weights_;
  at::Tensor value_;
};

}  // namespace vcas::nn
