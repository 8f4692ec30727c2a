#pragma once

#include <cstdint>

#include "ops/kernels/row_view.h"
#include "ops/kernels/workspace.h"

namespace vcas::ops::kernels {

enum class GeluKind {
  erf,   ///< x·Φ(x), Φ the standard normal distribution function
  tanh,  ///< x/2·(1 + tanh(√(2/π)(x + 0.044715x³)))
};

/// output = gelu(input), within 2e-7·|input|; the erf form also within 1e-6 of its own value, in the negative
/// tail down to 1e-37, below which it is zero.
/// @param input [rows x columns] @param output [rows x columns], contiguous; may be the input when that is
/// contiguous.
/// @param output_norms [rows] ‖output_r‖, or null.
void gelu_forward(GeluKind kind, const RowView& input, float* output, double* output_norms, int64_t rows,
                  int64_t columns, Workspace& workspace);

struct GeluBackward {
  GeluKind kind = GeluKind::erf;
  RowView input{};               ///< saved forward input f; its index picks the rows of the uncompacted batch
  float* grad = nullptr;         ///< [rows x columns], contiguous: gradient of gelu(f), replaced by that of f
  double* row_norms = nullptr;   ///< [rows] norms of the result's rows, or null
  float* column_sums = nullptr;  ///< [columns] Σ_r of the result (the bias gradient), overwritten, or null
};
/// grad ← grad·gelu'(f).
void gelu_backward(const GeluBackward& args, int64_t rows, int64_t columns, Workspace& workspace);

}  // namespace vcas::ops::kernels
