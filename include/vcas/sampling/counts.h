#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "vcas/sampling/plan.h"
#include "vcas/sampling/stream.h"

/// The one place that turns keep ratios into counts.
namespace vcas::sampling {

/// Samples and rows that one block runs on in one batch.
struct BlockRows {
  int64_t samples = 0;                    ///< N
  std::vector<int64_t> weight_rows = {};  ///< R_w by weight
};

/// Counts that one block keeps.
struct BlockCounts {
  int64_t samples = 0;             ///< k = round(rho·N), in 1..N
  std::vector<int64_t> available;  ///< by weight, rows that SampleA leaves: available_rows()
  std::vector<int64_t> kept;       ///< by weight, round(nu·available), at least 1; kAllRows where nu >= 1
};

/// @param nu by weight. @throws c10::Error "plan: expected 6 row keep ratios, got 5".
BlockCounts block_counts(double rho, const std::vector<double>& nu, const BlockRows& rows);

/// Rows of a weight that SampleA leaves, of which SampleW's count is a share:
/// round(kept_samples/samples·rows), at least 1 unless there are none.
int64_t available_rows(int64_t kept_samples, int64_t samples, int64_t rows);

/// One block's part of a plan, as its operator reads it. A block that keeps everything runs as exact training
/// does.
/// @param stream draw 0 of the block; the plan's draw number takes its place.
BlockPlan block_plan(const SamplingPlan& plan, size_t block, const BlockRows& rows, const StreamKey& stream);

}  // namespace vcas::sampling
