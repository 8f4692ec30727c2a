#include "control/row_variance.h"

#include <algorithm>
#include <functional>

#include "vcas/sampling/plan.h"

namespace vcas::control {

RowVariance::RowVariance(std::vector<double> scores) {
  std::erase(scores, 0.0);
  std::sort(scores.begin(), scores.end(), std::greater<>());
  const size_t n = scores.size();
  sum_.assign(n + 1, 0);
  sum_of_squares_.assign(n + 1, 0);
  saturates_at_.resize(n);
  for (size_t m = n; m-- > 0;) {
    sum_[m] = sum_[m + 1] + scores[m];
    sum_of_squares_[m] = sum_of_squares_[m + 1] + scores[m] * scores[m];
    // (count - m)·w ≥ what w and all smaller scores sum to.
    saturates_at_[m] = static_cast<double>(m) + sum_[m] / scores[m];
  }
}

double RowVariance::at(int64_t count) const {
  const auto n = static_cast<int64_t>(saturates_at_.size());
  if (count >= n) return 0;
  const auto first_open =
      std::upper_bound(saturates_at_.begin(), saturates_at_.end(), static_cast<double>(count));
  // As in sampling/, the last count is never given away whole.
  const auto m = std::min<int64_t>(first_open - saturates_at_.begin(), count - 1);
  const double share = static_cast<double>(count - m);
  const auto open = static_cast<size_t>(m);
  return std::max(0.0, sum_[open] * sum_[open] / share - sum_of_squares_[open]);
}

double mean_row_variance(std::span<const SampledRows> outcomes, double ratio) {
  double sum = 0;
  for (const auto& [variance, rows] : outcomes) {
    if (rows > 0) sum += variance.at(sampling::count_from_ratio(ratio, rows));
  }
  return sum / static_cast<double>(outcomes.size());
}

double solve_row_keep_ratio(std::span<const SampledRows> outcomes, double budget, double smallest) {
  if (budget <= 0) return 1;
  constexpr int kBisections = 24;  // far below one row of any batch
  if (mean_row_variance(outcomes, smallest) <= budget) return smallest;
  double low = smallest, high = 1;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = (low + high) / 2;
    (mean_row_variance(outcomes, middle) <= budget ? high : low) = middle;
  }
  return high;
}

}  // namespace vcas::control
