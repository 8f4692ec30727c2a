#pragma once

#include <ATen/core/Tensor.h>

namespace vcas::sampling {

/// Euclidean norm of every row, accumulated in float64 after scaling, so that 1e30 does not overflow.
/// @param rows [R, C] float tensor. @return [R] float64.
at::Tensor row_norms(const at::Tensor& rows);

/// Frobenius norm of each sample of a packed batch. @param row_norm [R] float64. @param offsets [N+1] int64 CPU,
/// sample i owns rows offsets[i]..offsets[i+1]-1. @return [N] float64 on row_norm's device.
at::Tensor sample_norms(const at::Tensor& row_norm, const at::Tensor& offsets);

}  // namespace vcas::sampling
