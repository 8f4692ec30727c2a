#pragma once

#include <cstdint>

#include "ops/kernels/dropout.h"
#include "ops/kernels/row_view.h"
#include "ops/kernels/workspace.h"

namespace vcas::ops::kernels {

/// h = residual + dropout(input);  y = (h - mean)·rstd·gamma + beta, rstd = 1/sqrt(var + eps), var the biased
/// variance.
struct LayerNormForward {
  RowView input{};     ///< [rows x columns]
  RowView residual{};  ///< [rows x columns], or data = null: 0
  DropoutMask dropout{};
  const int64_t* mask_rows = nullptr;  ///< row of the uncompacted batch of each row; null: r
  const float* gamma = nullptr;        ///< [columns]
  const float* beta = nullptr;         ///< [columns]
  float epsilon = 1e-12f;
  float* sum = nullptr;     ///< h [rows x columns], contiguous, or null where it is not needed; may be the
                            ///< input when that is contiguous and not gathered
  float* output = nullptr;  ///< y [rows x columns], contiguous; must not overlap an input
  float* mean = nullptr;    ///< [rows], or null
  float* rstd = nullptr;    ///< [rows], or null
  double* output_norms = nullptr;  ///< [rows] ‖y_r‖, or null
};
void layer_norm_forward(const LayerNormForward& args, int64_t rows, int64_t columns, Workspace& workspace);

/// dh = add + rstd·(g - mean_c(g) - x̂·mean_c(g·x̂)) with g = grad_output·gamma, x̂ = (h - mean)·rstd;
/// grad_gamma = Σ_r grad_output_r·x̂_r, grad_beta = Σ_r grad_output_r.
struct LayerNormBackward {
  RowView grad_output{};  ///< [rows x columns]
  RowView sum{};          ///< saved h; its index picks row r's h, mean and rstd from the uncompacted batch
  const float* mean = nullptr;   ///< saved, uncompacted
  const float* rstd = nullptr;   ///< saved, uncompacted
  const float* gamma = nullptr;  ///< [columns]
  const float* add = nullptr;    ///< [rows x columns], contiguous, or null: 0; may be grad_input
  float* grad_input = nullptr;  ///< dh [rows x columns], contiguous; may be grad_output if that is contiguous
                                ///< and not gathered
  float* grad_gamma = nullptr;  ///< [columns], overwritten, or null
  float* grad_beta = nullptr;   ///< [columns], overwritten, or null
  double* row_norms = nullptr;  ///< [rows] ‖dh_r‖, or null
};
void layer_norm_backward(const LayerNormBackward& args, int64_t rows, int64_t columns, Workspace& workspace);

}  // namespace vcas::ops::kernels
