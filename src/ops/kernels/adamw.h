#pragma once

#include <cstdint>
#include <span>

#include "ops/kernels/adamw_factors.h"

namespace vcas::ops::kernels {

/// A parameter, its gradient and its moments: arrays of `count` floats.
struct AdamWArrays {
  AdamWFactors factors;
  int64_t count;
  float* param;
  const float* grad;
  float* exp_avg;
  float* exp_avg_sq;
};

/// For every one of them, with its own factors:
/// g = grad_scale·grad;  m ← β1 m + (1-β1) g;  v ← β2 v + (1-β2) g²;
/// param ← (1 - lr·weight_decay)·param - lr/(1-β1^step) · m / (sqrt(v)/sqrt(1-β2^step) + ε).
/// Source: Loshchilov, Hutter (ICLR 2019).
void adamw_step(std::span<const AdamWArrays> parameters);

/// One row of a parameter, and the steps that it has not had.
struct AdamWRow {
  int64_t row;
  int64_t first_step;  ///< of adamw_skipped_steps(): index in its `steps` of the first of them
};

/// Rows of a parameter, each behind by its own number of steps.
struct AdamWRows {
  std::span<const AdamWRow> rows;  ///< no row twice
  int64_t width;
  float* param;  ///< [*, width], as exp_avg and exp_avg_sq
  float* exp_avg;
  float* exp_avg_sq;
};

/// Gives each row every step from its first one to the last of `steps`, all with a gradient of zero: the bits
/// that adamw_step gives, however the steps are divided among calls.
void adamw_skipped_steps(std::span<const AdamWFactors> steps, const AdamWRows& rows);

/// One step of each row. @param grad [rows, width], in the order of rows.
void adamw_row_step(const AdamWFactors& step, const AdamWRows& rows, const float* grad);

}  // namespace vcas::ops::kernels
