#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vcas::control {

/// 1/(M-1) Σ_i ‖g_i - ḡ‖² of M gradients, tensor by tensor, as they arrive (Welford's recurrence: differences
/// from the running mean, so that a common part of the gradients costs no digits). For M = 2 it is ‖g_2 -
/// g_1‖²/2.
class GradientDispersion {
 public:
  /// @param gradients one a parameter, floating point, any device, dense or sparse COO; copied.
  void add(const std::vector<at::Tensor>& gradients);
  int64_t count() const { return count_; }

  /// By tensor. Needs two gradients.
  std::vector<double> variances() const;

  /// What a checkpoint holds: count, Σ‖g - ḡ‖² by tensor, and ḡ.
  const std::vector<double>& sums() const { return sums_; }
  const std::vector<at::Tensor>& means() const { return means_; }
  void restore(int64_t count, std::vector<double> sums, std::vector<at::Tensor> means);

 private:
  int64_t count_ = 0;
  std::vector<double> sums_;
  std::vector<at::Tensor> means_;
};

/// No NaN and no Inf in any tensor.
bool all_finite(const std::vector<at::Tensor>& tensors);

}  // namespace vcas::control
