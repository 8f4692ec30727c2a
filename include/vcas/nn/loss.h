#pragma once

#include <ATen/core/Tensor.h>

namespace vcas::nn {

/// The end of a forward pass: what a backward pass starts from, and what methods ask about single samples.
/// The only part of a Pass that differs from task to task.
class Loss {
 public:
  virtual ~Loss() = default;

  /// 0-dim with a graph: (Σ_i weight_i · loss_i) / divisor. @param sample_weights [N]; undefined: all 1.
  virtual at::Tensor total(const at::Tensor& sample_weights) const = 0;
  /// [N] without a graph: the loss of each sample.
  virtual at::Tensor sample_losses() const = 0;
  /// [N] without a graph: the norm of each sample's gradient at the model's outputs, ‖∂loss_i/∂output_i‖.
  virtual at::Tensor output_gradient_norms() const = 0;
};

}  // namespace vcas::nn
