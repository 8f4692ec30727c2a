#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "vcas/sampling/stream.h"

namespace vcas::sampling {

/// How entries are drawn once their inclusion probabilities are known (ALGORITHM.md, "Drawing").
enum class DrawMethod : int64_t { fixed = 0, bernoulli = 1 };

/// What one backward pass of a whole model shall keep: the controller's output.
struct SamplingPlan {
  /// false: exact, every sample and every row; the other fields are not read.
  bool sampled = false;
  DrawMethod draw_method = DrawMethod::fixed;
  /// Distinguishes the passes over one forward; 0 is the training pass.
  int64_t draw_number = 0;
  /// rho, one a block in the order of the layout, in (0, 1]; non-decreasing within a chain.
  std::vector<double> sample_keep_ratio;
  /// nu, [block][linear of that block], in (0, 1]; 1 keeps every row of the kept samples.
  std::vector<std::vector<double>> row_keep_ratio;
};

/// The part of a plan that one block's operator reads, with counts instead of ratios.
struct BlockPlan {
  static constexpr int64_t kAllRows = -1;

  bool sampled = false;
  DrawMethod draw_method = DrawMethod::fixed;
  /// Which stream the draws come from; its site is set by the operator.
  StreamKey stream;
  /// k of SampleA, 1..N.
  int64_t sample_count = 0;
  /// Count of SampleW for each linear of the block, or kAllRows.
  std::vector<int64_t> row_counts;
};

/// A plan as the small int64 CPU tensor that an operator's node keeps: it is written in place before each
/// backward pass, so that one forward serves several passes and no argument of the operator changes.
/// Layout: [sampled, draw_method, seed, micro_batch, layer, draw, sample_count, row_counts...].
at::Tensor make_plan_tensor(int64_t linear_count);
void write_plan(const BlockPlan& plan, at::Tensor& tensor);
/// @throws c10::Error "plan: expected a contiguous int64 CPU tensor of at least 7 values, got ...".
BlockPlan read_plan(const at::Tensor& tensor);

/// count = round(ratio * total), in 1..total. @param total at least 1. @throws c10::Error for a NaN ratio.
int64_t count_from_ratio(double ratio, int64_t total);

}  // namespace vcas::sampling
