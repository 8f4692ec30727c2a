#include "vcas/sampling/statistics.h"

#include <utility>

namespace vcas::sampling {

BlockStatistics block_statistics(at::Tensor sample_norms, const at::Tensor& scores,
                                 const std::vector<std::vector<int64_t>>& offsets) {
  BlockStatistics block;
  block.sample_norms = std::move(sample_norms);
  int64_t rows = 0;
  for (const auto& of_weight : offsets) {
    TORCH_CHECK(!of_weight.empty(), "statistics: expected offsets of N+1 values, got none");
    block.weights.push_back({.offsets = of_weight});
    rows += of_weight.back();
  }
  if (!scores.defined()) return block;
  TORCH_CHECK(scores.dim() == 1 && scores.numel() == rows, "statistics: expected row scores [", rows,
              "], got ", scores.sizes());
  int64_t begin = 0;
  for (WeightStatistics& weight : block.weights) {
    weight.scores = scores.narrow(0, begin, weight.offsets.back());
    begin += weight.offsets.back();
  }
  return block;
}

}  // namespace vcas::sampling
