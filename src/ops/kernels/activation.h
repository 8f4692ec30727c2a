#pragma once

#include <cstdint>

#include "ops/kernels/row_view.h"
#include "ops/kernels/workspace.h"
#include "vcas/ops/activation.h"

namespace vcas::ops::kernels {

/// output = activation(input), within 2e-7·|input|; Activation::gelu also within 1e-6 of its own value, in
/// the negative tail down to 1e-37, below which it is zero.
/// @param input [rows x columns] @param output [rows x columns], contiguous; may be the input when that is
/// contiguous.
/// @param output_norms [rows] ‖output_r‖, or null.
void activation_forward(Activation kind, const RowView& input, float* output, double* output_norms,
                        int64_t rows, int64_t columns, Workspace& workspace);

struct ActivationBackward {
  Activation kind = Activation::gelu;
  RowView input{};        ///< saved forward input f; its index picks the rows of the uncompacted batch
  float* grad = nullptr;  ///< [rows x columns], contiguous: gradient of activation(f), replaced by that of f
  double* row_norms = nullptr;   ///< [rows] norms of the result's rows, or null
  float* column_sums = nullptr;  ///< [columns] Σ_r of the result (the bias gradient), overwritten, or null
};
/// grad ← grad·activation'(f).
void activation_backward(const ActivationBackward& args, int64_t rows, int64_t columns, Workspace& workspace);

}  // namespace vcas::ops::kernels
