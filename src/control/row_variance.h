#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vcas::control {

/// SampleW's variance Σ (1-q_r)/q_r ŵ_r² as a function of the count, for rows that stay fixed: sorted once,
/// then O(log n) a count. q by water filling (sampling/inclusion.h): with the m largest scores at 1, V =
/// (Σ_rest ŵ)²/(count - m) - Σ_rest ŵ².
class RowVariance {
 public:
  /// @param scores leverage scores of the rows, non-negative.
  explicit RowVariance(std::vector<double> scores);
  double at(int64_t count) const;

 private:
  std::vector<double>
      saturates_at_;         ///< [n] from which count on each of the sorted scores has q = 1; ascending
  std::vector<double> sum_;  ///< [n+1] sum of all scores but the m largest
  std::vector<double> sum_of_squares_;
};

/// Rows of one weight under one outcome of SampleA.
struct SampledRows {
  RowVariance variance;
  int64_t rows;  ///< what its count is a share of: round(k/N·ΣT)
};

/// Mean of SampleW's variance over outcomes at a row keep ratio.
double mean_row_variance(std::span<const SampledRows> outcomes, double ratio);

/// The smallest row keep ratio in [smallest, 1] whose mean variance is at most `budget`; 1 without a budget.
double solve_row_keep_ratio(std::span<const SampledRows> outcomes, double budget, double smallest);

}  // namespace vcas::control
