#pragma once

#include <cstdint>

namespace vcas::control {

/// Average of positive measurements in log scale: the newest has weight 1/2, the first two count alike.
/// A measurement that lies more than 2.5 standard deviations off is brought in to that distance, so that one
/// outlier moves the average by a bounded factor, exp(1.25·log_sd). The value is corrected for bias:
/// measurements of log-sd σ around a mean μ have E log = log μ - σ²/2, and averages of them with weights a_i,
/// E exp(average) = μ·exp(-(1 - Σ a_i²)·σ²/2). A single measurement needs no correction.
class LogAverage {
 public:
  /// @param log_sd standard deviation of the log of one measurement.
  explicit LogAverage(double log_sd) : log_sd_(log_sd) {}

  /// A measurement that is not positive says nothing about scale and is left out.
  void add(double measurement);
  /// 0 before the first measurement.
  double value() const;

  /// What a checkpoint holds.
  struct Numbers {
    int64_t count = 0;
    double log_mean = 0;
    double sum_of_squared_weights = 0;
  };
  const Numbers& numbers() const { return numbers_; }
  void restore(const Numbers& numbers) { numbers_ = numbers; }

 private:
  double log_sd_;
  Numbers numbers_;
};

}  // namespace vcas::control
