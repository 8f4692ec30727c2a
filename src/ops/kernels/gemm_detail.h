#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/kernels/gemm.h"

namespace vcas::ops::kernels::detail {

/// Rows and columns of one output tile, and so of one brgemm call, but for tiles at an edge. brgemm is as
/// fast at any size, and makes the code for a new one in 0.05 ms.
constexpr int64_t kTile = PackedWeight::kPanel;

constexpr int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }
constexpr int64_t round_up(int64_t value, int64_t multiple) { return divide_up(value, multiple) * multiple; }

/// A right operand packed as PackedWeight describes.
struct Panels {
  const float* data;
  int64_t depth;
  int64_t width;

  const float* panel(int64_t index) const { return data + index * depth * kTile; }
  int64_t count() const { return divide_up(width, kTile); }
  static int64_t floats(int64_t depth, int64_t width) { return depth * round_up(width, kTile); }
};

Panels pack_transposed(const float* w, int64_t rows, int64_t columns, int64_t stride, float* storage);
Panels pack(const float* w, int64_t rows, int64_t columns, int64_t stride, float* storage);

void multiply_panels(const RowView& a, int64_t m, const Panels& b, const float* bias, float* c, int64_t ldc,
                     bool accumulate, Workspace& workspace);

void weight_gradient_brgemm(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c,
                            Workspace& workspace);

void matmul_nt_aten(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias,
                    float* c, int64_t ldc);
void matmul_nn_aten(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c, int64_t ldc,
                    bool accumulate);
void matmul_tn_aten(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c);

}  // namespace vcas::ops::kernels::detail
