#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/kernels/row_view.h"
#include "ops/kernels/workspace.h"
#include "vcas/ops/precision.h"
#include "vcas/sampling/plan.h"

namespace vcas::ops {

/// SampleW of one linear on the CPU kernels: dW = Σ_{kept r} (1/q_r) dZ_rᵀ X_r.
struct SampledWeightGradient {
  const sampling::BlockPlan* plan = nullptr;
  int64_t index = 0;                       ///< which linear of the plan
  kernels::RowView gradient;               ///< compact rows dZ [C, output_size]
  std::span<const double> gradient_norms;  ///< [C]
  kernels::RowView input;                  ///< X; its index gives the row for each compact row
  const double* input_norms = nullptr;     ///< by row of X before indexing; null: computed when needed
  int64_t output_size = 0, input_size = 0;
  float* result = nullptr;  ///< [output_size, input_size]; null: no gradient is wanted
  bool want_scores = false;
  Precision precision = Precision::float32;
};

struct SampledWeightOutcome {
  int64_t rows = 0;            ///< that entered the product
  std::vector<double> scores;  ///< [C] ‖dZ_r‖·‖X_r‖ when they were wanted or needed
};
SampledWeightOutcome sample_weight_gradient(const SampledWeightGradient& args, kernels::Workspace& workspace);

}  // namespace vcas::ops
