#pragma once

#include <cstdint>
#include <span>

#include "ops/kernels/row_view.h"
#include "ops/kernels/workspace.h"

namespace vcas::ops::kernels {

/// Row norms and column sums of one matrix in one pass; either result may be null.
/// @param x [rows x columns] @param row_norms [rows] ‖x_r‖, accumulated in float64: no finite row overflows.
/// @param column_sums [columns] Σ_r x_r, overwritten; the same bits with any number of threads.
void reduce_rows(const RowView& x, int64_t rows, int64_t columns, double* row_norms, float* column_sums,
                 Workspace& workspace);

/// Σ x_i² in float64 over all arrays; the same bits with any number of threads.
double sum_of_squares(std::span<const std::span<const float>> arrays, Workspace& workspace);

}  // namespace vcas::ops::kernels
