#pragma once

#include <ATen/core/Tensor.h>

namespace vcas::sampling {

/// Euclidean norm of every row, accumulated in float64 (scaled where squares would leave its range), so that
/// 1e30 does not overflow. A row with NaN or Inf has the norm NaN or Inf.
/// @param rows [R, C] floating point tensor, any strides. @return [R] float64 on the same device.
/// @throws c10::Error "row_norms: expected a floating point tensor [R, C], got ...".
at::Tensor row_norms(const at::Tensor& rows);

/// The same out of ordinary tensor operations, on any device: what a tensor that is not on the CPU runs.
at::Tensor row_norms_generic(const at::Tensor& rows);

/// Frobenius norm of each sample of a packed batch. @param row_norm [R] float64. @param offsets [N+1] int64
/// CPU, sample i owns rows offsets[i]..offsets[i+1]-1. @return [N] float64 on row_norm's device; an empty
/// sample has norm 0.
/// @throws c10::Error "sample_norms: expected offsets from 0 to R = 10, got ...".
at::Tensor sample_norms(const at::Tensor& row_norm, const at::Tensor& offsets);

}  // namespace vcas::sampling
