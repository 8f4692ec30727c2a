#pragma once

#include <cstdint>

#include "ops/kernels/gemm.h"

namespace vcas::ops::kernels::detail {

/// Rows and columns of one output tile, and so of one brgemm call, but for tiles at an edge. brgemm is as
/// fast at any size, and makes the code for a new one in 0.05 ms.
constexpr int64_t kTile = 64;

constexpr int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

void matmul_nt_brgemm(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias,
                      float* c, int64_t ldc, Workspace& workspace);
void matmul_nn_brgemm(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c,
                      int64_t ldc, bool accumulate, Workspace& workspace);
void weight_gradient_brgemm(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c,
                            Workspace& workspace);

void matmul_nt_aten(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias,
                    float* c, int64_t ldc);
void matmul_nn_aten(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c, int64_t ldc,
                    bool accumulate);
void matmul_tn_aten(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c);

}  // namespace vcas::ops::kernels::detail
