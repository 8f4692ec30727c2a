#pragma once

#include <hwy/cache_control.h>
#include <cstdint>

#include "ops/kernels/gemm.h"

namespace vcas::ops::kernels::detail {

/// Rows and columns of one output tile, and so of one brgemm call, but for tiles at an edge. brgemm is as
/// fast at any size, and makes the code for a new one in 0.05 ms.
constexpr int64_t kTile = 64;

constexpr int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

/// Calls for a row, so that it is in the cache when it is read.
inline void prefetch_row(const float* row, int64_t columns) {
  constexpr int64_t kCacheLine = 16;
  for (int64_t c = 0; c < columns; c += kCacheLine) hwy::Prefetch(row + c);
}

/// Operands: Float32Operands or BFloat16Operands (gemm_operands.h).
template <class Operands>
void matmul_nt_brgemm(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias,
                      float* c, int64_t ldc, Workspace& workspace);
template <class Operands>
void matmul_nn_brgemm(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c,
                      int64_t ldc, bool accumulate, Workspace& workspace);
template <class Operands>
void weight_gradient_brgemm(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c,
                            Workspace& workspace);

void matmul_nt_aten(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias,
                    float* c, int64_t ldc, Precision precision);
void matmul_nn_aten(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c, int64_t ldc,
                    bool accumulate, Precision precision);
void matmul_tn_aten(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c,
                    Precision precision);

}  // namespace vcas::ops::kernels::detail
