#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace vcas::report {

/// Mean of some values and how far they spread.
struct Spread {
  double mean = 0;
  std::optional<double> deviation;  ///< sample standard deviation; nothing for a single value
  int64_t count = 0;
};
/// @param values at least one.
Spread spread_of(const std::vector<double>& values);

/// Whether paired values differ on average.
struct PairedTest {
  double difference = 0;                 ///< mean of the pairs' differences
  std::optional<double> standard_error;  ///< of it; nothing for a single pair
  std::optional<double> p_value;         ///< two-sided, Student's t; nothing for a single pair
  int64_t pairs = 0;
};
/// @param differences one a pair, at least one. All equal: p is 1 where they are 0, and 0 otherwise.
PairedTest paired_test(const std::vector<double>& differences);

/// Probability that Student's t with so many degrees of freedom is at least |t| away from 0.
/// @param degrees at least 1.
/// Source: Abramowitz and Stegun, 26.7.3 and 26.7.4.
double student_t_two_sided(double t, int64_t degrees);

}  // namespace vcas::report
