#pragma once

#include <c10/util/Exception.h>

#include <cstdint>

namespace vcas::sampling {

inline void check_count(int64_t count, int64_t n) {
  TORCH_CHECK(1 <= count && count <= n, "inclusion_probabilities: expected count in [1, ", n, "], got ",
              count);
}

constexpr double kLargeWeight = 0x1p500;

/// Power of two that keeps sums of weights and products with a count within float64's range.
constexpr double range_factor(double largest_weight) {
  return largest_weight > kLargeWeight ? 1 / kLargeWeight : 1.0;
}

}  // namespace vcas::sampling
