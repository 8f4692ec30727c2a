#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "vcas/ops/compute_options.h"
#include "vcas/ops/encoder_layer.h"
#include "vcas/sampling/plan.h"

namespace vcas::nn {

/// What a block that can be sampled left behind in a forward pass: where its next plan is written, and the
/// zero inputs whose gradients are its statistics.
struct BlockRecord {
  at::Tensor plan;
  ops::EncoderLayerProbes probes;
  int64_t samples = 0;
  std::vector<int64_t> linear_rows;  ///< rows that each linear of the block runs on
  sampling::StreamKey stream;        ///< draw 0
};

/// The seam between one forward pass and its backward passes: modules add a record for each block; a plan is
/// written into all of them before each backward pass.
class Recording {
 public:
  /// @param stream names the micro-batch; its layer is set by each block. @param training dropout on.
  Recording(sampling::StreamKey stream, bool training, const ops::ComputeOptions& compute = {})
      : stream_(stream), training_(training), compute_(compute) {}

  bool training() const { return training_; }
  const ops::ComputeOptions& compute() const { return compute_; }
  /// The stream of the block that is added next.
  sampling::StreamKey next_stream() const;
  BlockRecord& add(BlockRecord record);
  const std::vector<BlockRecord>& blocks() const { return blocks_; }
  double forward_flops = 0;
  double exact_backward_flops = 0;

  /// Turns ratios into counts and writes them where the operators read them.
  /// @throws c10::Error "plan: expected keep ratios of 6 blocks, got 5".
  void write(const sampling::SamplingPlan& plan);

 private:
  sampling::StreamKey stream_;
  bool training_;
  ops::ComputeOptions compute_;
  std::vector<BlockRecord> blocks_;
};

/// Counts of one block: k = round(ρ·N), rows of a linear round(ν·round(k/N·ΣT)), each at least 1
/// (ALGORITHM.md).
sampling::BlockPlan block_plan(const sampling::SamplingPlan& plan, size_t block, const BlockRecord& record);

}  // namespace vcas::nn
