#pragma once

#include <ATen/core/Tensor.h>

namespace vcas::sampling {

/// Whether a tensor is what loops over plain arrays take: float32, contiguous, on the CPU.
inline bool is_float_array(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.is_contiguous();
}

}  // namespace vcas::sampling
