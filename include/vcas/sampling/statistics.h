#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vcas::sampling {

/// Measurements of one weight in one backward pass.
struct WeightStatistics {
  std::vector<int64_t> offsets = {};  ///< [N+1]: sample i owns the weight's rows offsets[i]..offsets[i+1]-1
  /// [R_w] float64, R_w = offsets.back(): leverage score of each row, 0 for rows that were not kept.
  /// Undefined: not measured.
  at::Tensor scores = {};
  /// [N] float64: squared norm of each sample's gradient. Undefined: not measured.
  at::Tensor squared_norms = {};
};

/// Measurements of one block in one backward pass.
struct BlockStatistics {
  /// [N] float64: norm of each sample's gradient that arrived at the block's output. Undefined: not measured.
  at::Tensor sample_norms = {};
  std::vector<WeightStatistics> weights = {};  ///< in the order of SampledBlock::weights
};

/// Measurements of one backward pass, made where they are asked for.
struct PassStatistics {
  std::vector<BlockStatistics> blocks = {};    ///< in the order of SamplingLayout::blocks
  std::vector<WeightStatistics> outside = {};  ///< of parameters outside the blocks
};

/// Statistics of a block from what its operator reports.
/// @param scores  [sum of all R_w], weight after weight; or undefined.
/// @param offsets by weight.
/// @throws c10::Error "statistics: expected row scores [48], got [40]".
BlockStatistics block_statistics(at::Tensor sample_norms, const at::Tensor& scores,
                                 const std::vector<std::vector<int64_t>>& offsets);

}  // namespace vcas::sampling
