#include "control/variance_curve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace vcas::control {
namespace variance_curve_test {

std::vector<CurvePoint> power_law(const std::vector<double>& positions, double factor, double exponent) {
  std::vector<CurvePoint> points;
  points.reserve(positions.size());
  for (const double s : positions) points.push_back({s, std::log(factor * std::pow(1 - s, exponent))});
  return points;
}

constexpr double kLogCorrection = 0.6 * 0.6 / 2;  // E log of one squared error is below log E by that

TEST(VarianceCurve, FollowsAPowerLaw) {
  const auto curve = fit_curve(power_law({0.95, 0.85, 0.7, 0.5}, 3, 2.2), std::nullopt);
  ASSERT_TRUE(curve);
  EXPECT_NEAR(curve->exponent, 2.2, 1e-9);
  const double expected = 3 * std::pow(0.1, 2.2) * std::exp(kLogCorrection);
  EXPECT_NEAR(curve->at(0.9) / expected, 1, 1e-9);
  EXPECT_NEAR(curve->s_at(expected), 0.9, 1e-9);
  EXPECT_EQ(curve->at(1), 0);
}

TEST(VarianceCurve, FollowsOtherExponentsWithinItsBounds) {
  const std::vector<double> wide{0.99, 0.95, 0.7, 0.3};
  EXPECT_NEAR(fit_curve(power_law(wide, 1, 3), std::nullopt)->exponent, 3, 0.2);
  EXPECT_NEAR(fit_curve(power_law(wide, 1, 1.5), std::nullopt)->exponent, 1.5, 0.2);
  EXPECT_EQ(fit_curve(power_law(wide, 1, 9), std::nullopt)->exponent, 3.5);
  EXPECT_EQ(fit_curve(power_law(wide, 1, -2), std::nullopt)->exponent, 1);
}

TEST(VarianceCurve, IsMovedLittleByOneOutlier) {
  const std::vector<double> ladder{0.97, 0.95, 0.92, 0.88};
  const auto clean = fit_curve(power_law(ladder, 1, 2.2), std::nullopt);
  const double budget = clean->at(0.94);
  for (size_t i = 0; i < ladder.size(); ++i) {
    for (const double factor : {1e-3, 1e3}) {
      auto points = power_law(ladder, 1, 2.2);
      points[i].log_variance += std::log(factor);
      const double moved = fit_curve(points, std::nullopt)->s_at(budget);
      EXPECT_NEAR(std::log((1 - moved) / 0.06), 0, 0.35) << i << " times " << factor;
    }
  }
}

TEST(VarianceCurve, LeavesOutPassesThatLostNothing) {
  auto points = power_law({0.95, 0.85}, 2, 2.2);
  const auto expected = fit_curve(points, std::nullopt);
  constexpr double kLogZero = -std::numeric_limits<double>::infinity();
  points.push_back({0.99, kLogZero});
  points.push_back({1, 0});
  EXPECT_EQ(fit_curve(points, std::nullopt)->log_level, expected->log_level);
  EXPECT_FALSE(fit_curve({{0.9, kLogZero}, {0.8, kLogZero}}, std::nullopt));
}

TEST(VarianceCurve, LeansLightlyOnThePreviousOne) {
  const auto previous = fit_curve(power_law({0.95, 0.85, 0.7, 0.5}, 1, 2.2), std::nullopt);
  const auto alone = fit_curve(power_law({0.95, 0.92, 0.9, 0.85}, 4, 2.2), std::nullopt);
  const auto both = fit_curve(power_law({0.95, 0.92, 0.9, 0.85}, 4, 2.2), previous);
  const double pulled = std::log(alone->at(0.9) / both->at(0.9)) / std::log(4.0);
  EXPECT_GT(pulled, 0.05);
  EXPECT_LT(pulled, 0.45);
}

TEST(TrialLadder, BeginsWide) {
  const auto ladder = trial_ladder(2, std::nullopt, 0.3);
  EXPECT_EQ(ladder, (std::vector<std::vector<double>>{{0.95, 0.7}, {0.85, 0.5}}));
}

TEST(TrialLadder, SurroundsThePresentPosition) {
  const auto ladder = trial_ladder(2, 0.9, 0.3);
  EXPECT_NEAR(ladder[0][0], 0.95, 1e-12);
  EXPECT_NEAR(ladder[1][1], 0.8, 1e-12);
  for (const auto& batch : ladder) {
    EXPECT_GT(batch[0], 0.9);
    EXPECT_LT(batch[1], 0.9);
  }
}

TEST(TrialLadder, StaysWithinItsBoundsForAnyM) {
  for (const int64_t m : {2, 3, 5}) {
    for (const double s : {1.0, 0.99999, 0.9, 0.35, 0.3}) {
      const auto ladder = trial_ladder(m, s, 0.3);
      EXPECT_EQ(static_cast<int64_t>(ladder.size()), m);
      for (const auto& batch : ladder) {
        EXPECT_EQ(static_cast<int64_t>(batch.size()), m);
        for (const double position : batch) {
          EXPECT_GE(position, 0.3);
          EXPECT_LT(position, 1);
        }
      }
    }
  }
}

}  // namespace variance_curve_test
}  // namespace vcas::control
