#pragma once

#include <cstdint>

namespace vcas::sampling {

/// Σ a_i² in float64, where no finite float's square overflows; in the calling thread.
double sum_of_squares(const float* a, int64_t count);

/// Σ (a_i - b_i)² in float64, differences too.
double sum_of_squared_differences(const float* a, const float* b, int64_t count);

}  // namespace vcas::sampling
