#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "vcas/ops/dropout.h"
#include "vcas/ops/precision.h"
#include "vcas/sampling/plan.h"

namespace vcas::ops {

/// Where the statistics of a linear's backward pass go: zero inputs whose gradients they are. Undefined: not
/// wanted.
struct LinearStatistics {
  at::Tensor row_scores;  ///< [R] float64: leverage scores ‖dZ_r‖·‖X_r‖
  at::Tensor flops;       ///< [1] float64 on the CPU
};

/// Z = X Wᵀ + b with SampleW in the backward pass: dW = Σ_{kept r} (1/q_r) dZ_rᵀ X_r, q_r from the leverage
/// scores; dX and db are exact. A weight that needs no gradient costs nothing.
/// @param x      [R, K] rows of a packed batch. @param weight [N, K]. @param bias [N] or undefined.
/// @param plan   plan.h's int64 CPU tensor, read when the backward pass runs; undefined: exact.
/// @param index  which of the plan's row counts is this linear's, and its random stream (StreamKey::weight).
/// @return [R, N]. @throws c10::Error "linear: expected x [R, 384], got [12, 768]".
/// Source: VCAS (arXiv 2402.17227), section 4.2.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const at::Tensor& plan, int64_t index, const LinearStatistics& statistics = {},
                  Implementation implementation = Implementation::automatic,
                  Precision precision = Precision::float32);

}  // namespace vcas::ops
