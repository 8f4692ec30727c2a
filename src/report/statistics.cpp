#include "report/statistics.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace vcas::report {

Spread spread_of(const std::vector<double>& values) {
  Spread result;
  result.count = static_cast<int64_t>(values.size());
  const auto n = static_cast<double>(values.size());
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return result;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.deviation = std::sqrt(squares / (n - 1));
  return result;
}

PairedTest paired_test(const std::vector<double>& differences) {
  const Spread spread = spread_of(differences);
  PairedTest result;
  result.difference = spread.mean;
  result.pairs = spread.count;
  if (!spread.deviation) return result;
  result.standard_error = *spread.deviation / std::sqrt(static_cast<double>(spread.count));
  if (*result.standard_error > 0)
    result.p_value = student_t_two_sided(result.difference / *result.standard_error, spread.count - 1);
  else
    result.p_value = result.difference == 0 ? 1 : 0;
  return result;
}

double student_t_two_sided(double t, int64_t degrees) {
  const double angle = std::atan(std::abs(t) / std::sqrt(static_cast<double>(degrees)));
  const double cosine_squared = std::cos(angle) * std::cos(angle);
  const bool odd = degrees % 2 == 1;
  // Even: 1 + 1/2 cos² + (1·3)/(2·4) cos⁴ + …; odd: cos + 2/3 cos³ + (2·4)/(3·5) cos⁵ + …
  double term = odd ? std::cos(angle) : 1, sum = 0;
  for (int64_t power = odd ? 1 : 0; power <= degrees - 2; power += 2) {
    sum += term;
    const auto next = static_cast<double>(power);
    term *= (next + 1) / (next + 2) * cosine_squared;
  }
  const double within = odd ? 2 / std::numbers::pi * (angle + std::sin(angle) * sum) : std::sin(angle) * sum;
  return std::clamp(1 - within, 0.0, 1.0);
}

}  // namespace vcas::report
