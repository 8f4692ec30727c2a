#include "control/log_average.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace vcas::control {
namespace log_average_test {

TEST(LogAverage, OfOneMeasurementIsTheMeasurement) {
  LogAverage average(0.4);
  EXPECT_EQ(average.value(), 0);
  average.add(3);
  EXPECT_DOUBLE_EQ(average.value(), 3);
}

TEST(LogAverage, GivesTheNewestHalfTheWeight) {
  LogAverage average(0.4);
  for (const double measurement : {1.0, 2.0, 1.5}) average.add(measurement);
  const double log_mean = std::log(1.0) / 4 + std::log(2.0) / 4 + std::log(1.5) / 2;
  const double squares = 1.0 / 16 + 1.0 / 16 + 1.0 / 4;
  EXPECT_NEAR(average.value(), std::exp(log_mean + (1 - squares) * 0.4 * 0.4 / 2), 1e-12);
}

TEST(LogAverage, IsMovedLittleByOneOutlier) {
  LogAverage average(0.4);
  average.add(1);
  average.add(1);
  const double before = average.value();
  average.add(1e6);
  EXPECT_LE(average.value() / before, std::exp(1.25 * 0.4) * 1.02);
  EXPECT_GT(average.value(), before);
}

TEST(LogAverage, LeavesOutWhatIsNotPositive) {
  LogAverage average(0.4);
  average.add(2);
  average.add(0);
  average.add(std::nan(""));
  EXPECT_DOUBLE_EQ(average.value(), 2);
}

// Lognormal measurements of mean 1: the average of ten thousand independent averages is 1. The value of one
// average has a standard deviation below 0.5, so the mean of 1e4 of them one of 0.005; 0.03 is 6 of those
// (false alarm 2e-9).
TEST(LogAverage, IsUnbiasedForLognormalMeasurements) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  constexpr double kSd = 0.7;
  double sum = 0;
  constexpr int kAverages = 10000;
  for (int i = 0; i < kAverages; ++i) {
    LogAverage average(kSd);
    for (int j = 0; j < 6; ++j) average.add(std::exp(kSd * normal(random) - kSd * kSd / 2));
    sum += average.value();
  }
  EXPECT_NEAR(sum / kAverages, 1, 0.03);
}

TEST(LogAverage, ContinuesFromItsNumbers) {
  LogAverage a(0.7), b(0.7);
  for (const double measurement : {0.3, 1.7}) a.add(measurement);
  b.restore(a.numbers());
  a.add(0.9);
  b.add(0.9);
  EXPECT_EQ(a.value(), b.value());
}

}  // namespace log_average_test
}  // namespace vcas::control
