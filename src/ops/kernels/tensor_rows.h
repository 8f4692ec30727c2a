#pragma once

#include <ATen/core/Tensor.h>

#include "ops/kernels/row_view.h"

namespace vcas::ops::kernels {

/// The rows of a contiguous float32 matrix, all of them or those of an index.
inline RowView rows_of(const at::Tensor& matrix, const int64_t* index = nullptr) {
  return {matrix.const_data_ptr<float>(), matrix.size(1), index, nullptr};
}

}  // namespace vcas::ops::kernels
