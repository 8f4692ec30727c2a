#pragma once

#include <ATen/ATen.h>

#include <array>

#include "kernels_support.h"
#include "ops/kernels/dropout.h"

namespace vcas::ops::kernels::testing {

inline const sampling::StreamKey kStream{.seed = 0x123456789abcdefull,
                                         .micro_batch = 17,
                                         .layer = 3,
                                         .index = 1,
                                         .draw = 0,
                                         .site = sampling::Site::feed_forward_dropout};

/// Rows and columns at and around the edges of vectors, chunks and blocks.
struct Shape {
  int64_t rows, columns;
};
constexpr std::array kShapes{Shape{1, 1},   Shape{7, 5},    Shape{63, 64},
                             Shape{64, 65}, Shape{65, 384}, Shape{577, 100}};

inline double* doubles(at::Tensor& tensor) { return tensor.mutable_data_ptr<double>(); }
inline float* floats(at::Tensor& tensor) { return tensor.mutable_data_ptr<float>(); }

/// A sum of n float32 terms in any order is off by at most n·u·Σ|terms|.
inline at::Tensor sum_bound(const at::Tensor& terms, int64_t dim) {
  return terms.abs().sum(dim) * (static_cast<double>(terms.size(dim) + 8) * kRoundOff);
}

/// [rows x columns] float64 factors of the given rows of the mask.
inline at::Tensor mask_matrix(const DropoutMask& mask, const at::Tensor& mask_rows, int64_t columns) {
  at::Tensor factors = at::empty({mask_rows.numel(), columns});
  for (int64_t r = 0; r < mask_rows.numel(); ++r) {
    dropout_factors(mask, static_cast<uint32_t>(mask_rows[r].item<int64_t>()), 0, columns,
                    floats(factors) + r * columns);
  }
  return factors.to(at::kDouble);
}

}  // namespace vcas::ops::kernels::testing
