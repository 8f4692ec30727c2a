#include "control/log_average.h"

#include <algorithm>
#include <cmath>

namespace vcas::control {
namespace {

constexpr double kNewestWeight = 0.5;
constexpr double kOutlierDistance = 2.5;  // in standard deviations

}  // namespace

void LogAverage::add(double measurement) {
  if (!(measurement > 0)) return;
  auto& [count, mean, squares] = numbers_;
  ++count;
  if (count == 1) {
    numbers_ = {1, std::log(measurement), 1};
    return;
  }
  const double reach = kOutlierDistance * log_sd_;
  mean += kNewestWeight * std::clamp(std::log(measurement) - mean, -reach, reach);
  squares = kNewestWeight * kNewestWeight + (1 - kNewestWeight) * (1 - kNewestWeight) * squares;
}

double LogAverage::value() const {
  if (numbers_.count == 0) return 0;
  return std::exp(numbers_.log_mean + (1 - numbers_.sum_of_squared_weights) * log_sd_ * log_sd_ / 2);
}

}  // namespace vcas::control
