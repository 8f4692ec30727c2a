#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "vcas/ops/precision.h"
#include "vcas/sampling/plan.h"

namespace vcas::ops {

struct LinearBackwardRequest {
  sampling::BlockPlan plan;                       ///< sampled = false: exact
  int64_t index = 0;                              ///< which row count of the plan, and which stream
  bool input = true, weight = true, bias = true;  ///< which gradients are wanted
  bool row_scores = false;
  Precision precision = Precision::float32;
};

struct LinearGradients {
  at::Tensor input, weight, bias;
  at::Tensor row_scores;  ///< [R] float64
  double flops = 0;
};

/// What a product of that precision reads of a tensor, in the tensor's own dtype.
at::Tensor rounded_operand(const at::Tensor& values, Precision precision);

/// Rows that enter the weight gradient: the plan's count, or all.
int64_t weight_row_count(const sampling::BlockPlan& plan, int64_t index, int64_t rows);

/// The random stream of linear `index`.
sampling::StreamKey weight_stream(const sampling::BlockPlan& plan, int64_t index);

/// Whether the CPU kernels take these: float32, contiguous.
bool linear_has_kernels(const at::Tensor& x, const at::Tensor& weight);
/// @param bias or undefined.
at::Tensor linear_forward_cpu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              Precision precision);
/// @param gradient contiguous.
LinearGradients linear_backward_cpu(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                                    const LinearBackwardRequest& request);

LinearGradients linear_backward_plain(const at::Tensor& gradient, const at::Tensor& x,
                                      const at::Tensor& weight, const LinearBackwardRequest& request);

}  // namespace vcas::ops
