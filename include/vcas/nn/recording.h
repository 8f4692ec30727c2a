#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "vcas/nn/flops.h"
#include "vcas/ops/compute_options.h"
#include "vcas/sampling/counts.h"
#include "vcas/sampling/plan.h"
#include "vcas/sampling/stream.h"

namespace vcas::nn {

/// What a block that can be sampled left behind in a forward pass: where its next plan is written, and the
/// zero inputs whose gradients are its statistics. A zero input may stay undefined: the block does not
/// measure it.
struct BlockRecord {
  at::Tensor plan;                                   ///< int64 CPU (sampling/plan.h)
  sampling::BlockRows rows;                          ///< what the block and its weights run on
  std::vector<std::vector<int64_t>> weight_offsets;  ///< by weight, [N+1] rows of each sample
  sampling::StreamKey stream;                        ///< draw 0
  at::Tensor sample_norms;                           ///< [N] float64
  at::Tensor row_scores;                             ///< [rows of all weights] float64, weight after weight
  /// [1] float64 CPU, of a backward pass. Undefined: each costs what an exact one does.
  at::Tensor flops;
  Flops exact;  ///< of exact passes over this batch
};

/// How a forward pass computes.
struct PassOptions {
  uint64_t seed = 0;
  int64_t micro_batch = 0;  ///< counted over the whole run (and over ranks: number · ranks + rank)
  bool training = true;     ///< dropout on
  ops::ComputeOptions compute = {};

  /// The stream of this pass; layer and site are set by what draws.
  sampling::StreamKey stream() const;
};

/// The seam between one forward pass and its backward passes: modules add a record for each block; a plan is
/// written into all of them before each backward pass.
class Recording {
 public:
  explicit Recording(const PassOptions& options) : options_(options) {}

  bool training() const { return options_.training; }
  const ops::ComputeOptions& compute() const { return options_.compute; }
  /// The stream of the block that is added next.
  sampling::StreamKey next_stream() const;
  BlockRecord& add(BlockRecord record);
  const std::vector<BlockRecord>& blocks() const { return blocks_; }
  std::vector<sampling::BlockRows> rows() const;

  /// Turns ratios into counts and writes them where the operators read them.
  /// @throws c10::Error "plan: expected keep ratios of 6 blocks, got 5".
  void write(const sampling::SamplingPlan& plan);

 private:
  PassOptions options_;
  std::vector<BlockRecord> blocks_;
};

}  // namespace vcas::nn
