#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "vcas/nn/model.h"

namespace vcas::training {

/// Turns gradients into updates of the parameters that it was made for.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// @param gradients      one a parameter, of its shape; sparse COO ones are coalesced.
  /// @param gradient_scale multiplies every gradient first (clipping).
  /// @throws c10::Error "AdamW: expected 5 gradients, got 4".
  virtual void step(const std::vector<at::Tensor>& gradients, double learning_rate,
                    double gradient_scale = 1.0) = 0;

  /// Gives the rows of a parameter that are about to be read the updates that wait for them.
  /// @param rows [*] int64, repeated or not. @throws c10::Error naming a row that the parameter does not
  /// have.
  virtual void catch_up(size_t parameter, const at::Tensor& rows) = 0;
  /// The same for all rows of all parameters: before the weights are saved or evaluated.
  virtual void catch_up() = 0;

  virtual int64_t steps() const = 0;
  /// What a checkpoint must hold, by name, sharing storage. Catches up first.
  virtual nn::NamedTensors state() = 0;
  /// Copies it back and forgets updates that wait: the weights are those of the state, too.
  /// @throws c10::Error naming a tensor that is missing or has another shape.
  virtual void load_state(const nn::NamedTensors& state, int64_t steps) = 0;
};

/// ‖gradients‖ over all tensors together, accumulated in float64.
double global_norm(const std::vector<at::Tensor>& gradients);

/// What gradients are multiplied by so that their norm is at most max_norm: min(1, max_norm / (norm + 1e-6));
/// 1 when max_norm is 0. Source: torch.nn.utils.clip_grad_norm_.
double clipping_coefficient(double norm, double max_norm);

}  // namespace vcas::training
