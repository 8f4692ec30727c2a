#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace vcas::ops::kernels {

/// Arrays of any sizes cut into blocks that one parallel region shares out: a region for each array would
/// spend more time on waking threads than on a bias. Blocks depend on the sizes alone.
class ArrayBlocks {
 public:
  struct Block {
    size_t array;
    int64_t first;
    int64_t length;
  };

  explicit ArrayBlocks(std::span<const int64_t> sizes) {
    for (size_t array = 0; array < sizes.size(); ++array) {
      for (int64_t first = 0; first < sizes[array]; first += kBlock)
        blocks_.push_back({array, first, std::min(kBlock, sizes[array] - first)});
    }
  }

  int64_t count() const { return static_cast<int64_t>(blocks_.size()); }
  const Block& at(int64_t index) const { return blocks_[static_cast<size_t>(index)]; }

 private:
  static constexpr int64_t kBlock = 16384;
  std::vector<Block> blocks_;
};

}  // namespace vcas::ops::kernels
