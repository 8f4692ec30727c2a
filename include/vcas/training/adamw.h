#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vcas/models/text_classifier.h"

namespace vcas::training {

class LazyRows;

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;  ///< of parameters with NamedParameter::weight_decay
};

/// Adam with decoupled weight decay. At step t, with gradient g and learning rate a:
///   w ← w·(1 - a·decay)
///   m ← beta1·m + (1 - beta1)·g,   v ← beta2·v + (1 - beta2)·g²
///   w ← w - a / (1 - beta1^t) · m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// Source: Loshchilov and Hutter, arXiv 1711.05101; torch.optim.AdamW.
///
/// A gradient may be sparse COO, coalesced and with one sparse dimension, the same as a dense one with zeros
/// elsewhere. Rows of a parameter whose reads are announced by catch_up() are updated lazily, with the bits
/// of the dense update: float32 on the CPU, two dimensions; others are updated in each step.
class AdamW {
 public:
  AdamW(std::vector<models::NamedParameter> parameters, AdamWOptions options);
  ~AdamW();

  /// @param gradients      one a parameter, of its shape.
  /// @param gradient_scale multiplies every gradient first (clipping).
  /// @throws c10::Error "AdamW: expected 5 gradients, got 4".
  void step(const std::vector<at::Tensor>& gradients, double learning_rate, double gradient_scale = 1.0);

  /// Gives the rows of a parameter that are about to be read the updates that wait for them.
  /// @param rows [*] int64, repeated or not. @throws c10::Error naming a row that the parameter does not
  /// have.
  void catch_up(size_t parameter, const at::Tensor& rows);
  /// The same for all rows of all parameters: before the weights are saved or evaluated.
  void catch_up();

  int64_t steps() const { return steps_; }

  /// The moments by name, "exp_avg.NAME" and "exp_avg_sq.NAME", sharing storage. Catches up first.
  std::map<std::string, at::Tensor> state();
  /// Copies the moments and forgets updates that wait: the weights are those of the state, too. @throws
  /// c10::Error naming a tensor that is missing or has another shape.
  void load_state(const std::map<std::string, at::Tensor>& state, int64_t steps);

 private:
  std::vector<models::NamedParameter> parameters_;
  AdamWOptions options_;
  std::vector<at::Tensor> exp_avg_;
  std::vector<at::Tensor> exp_avg_sq_;
  std::vector<std::unique_ptr<LazyRows>> lazy_rows_;  ///< by parameter; null: updated in each step
  int64_t steps_ = 0;
};

/// ‖gradients‖ over all tensors together, accumulated in float64.
double global_norm(const std::vector<at::Tensor>& gradients);

/// What gradients are multiplied by so that their norm is at most max_norm: min(1, max_norm / (norm + 1e-6));
/// 1 when max_norm is 0. Source: torch.nn.utils.clip_grad_norm_.
double clipping_coefficient(double norm, double max_norm);

}  // namespace vcas::training
