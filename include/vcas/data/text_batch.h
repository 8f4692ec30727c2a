#pragma once

#include <cstdint>
#include <vector>

namespace vcas::data {

/// Packed token rows of several texts, as plain numbers.
struct PackedTexts {
  std::vector<int64_t> token_ids;
  std::vector<int64_t> token_type_ids;
  std::vector<int64_t> offsets{0};  ///< N+1
  std::vector<int64_t> labels;      ///< N, or empty
  std::vector<int64_t> examples;    ///< N: index of each text in its dataset
};

}  // namespace vcas::data
