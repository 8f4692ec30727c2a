#include "control/row_variance.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <random>

#include "sampling/host.h"

namespace vcas::control {
namespace row_variance_test {

double by_definition(const std::vector<double>& scores, int64_t count) {
  std::vector<double> q(scores.size());
  if (count >= static_cast<int64_t>(scores.size())) return 0;
  sampling::inclusion_probabilities(scores, count, q);
  double sum = 0;
  for (size_t r = 0; r < q.size(); ++r) sum += scores[r] > 0 ? (1 - q[r]) / q[r] * scores[r] * scores[r] : 0;
  return sum;
}

TEST(RowVariance, IsTheAnalyticOneAtEveryCount) {
  EXPECT_TRUE(rc::check("sorted sums equal the definition", [] {
    const auto exponents =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(-12, 13)));
    std::vector<double> scores;
    scores.reserve(exponents.size());
    for (const int e : exponents) scores.push_back(e < -9 ? 0 : std::exp2(e / 2.0));
    const RowVariance variance(scores);
    double total = 0;
    for (const double w : scores) total += w * w;
    double previous = INFINITY;
    for (int64_t count = 1; count <= static_cast<int64_t>(scores.size()); ++count) {
      const double value = variance.at(count);
      // Differences of sums of squares: relative to their size.
      RC_ASSERT(std::abs(value - by_definition(scores, count)) <=
                1e-12 * total * static_cast<double>(scores.size()));
      RC_ASSERT(value <= previous * (1 + 1e-12) + 1e-12 * total);
      previous = value;
    }
  }));
}

TEST(RowVariance, OfNoLiveRowIsZero) {
  EXPECT_EQ(RowVariance({}).at(1), 0);
  EXPECT_EQ(RowVariance({0, 0}).at(1), 0);
  EXPECT_EQ(RowVariance({0, 3, 0}).at(1), 0);
}

TEST(SolveRowKeepRatio, FindsTheSmallestRatioWithinTheBudget) {
  std::mt19937_64 random(5);
  std::vector<SampledRows> outcomes;
  for (int i = 0; i < 8; ++i) {
    std::vector<double> scores(200);
    for (double& w : scores) w = std::exp(std::normal_distribution<double>()(random));
    outcomes.push_back({RowVariance(scores), 150});
  }
  const double all = mean_row_variance(outcomes, 0.05);
  for (const double share : {0.9, 0.3, 0.01}) {
    const double ratio = solve_row_keep_ratio(outcomes, share * all, 0.02);
    EXPECT_LE(mean_row_variance(outcomes, ratio), share * all);
    EXPECT_GT(mean_row_variance(outcomes, ratio - 1.0 / 150), share * all) << "one row less overspends";
  }
}

TEST(SolveRowKeepRatio, StaysBetweenItsBounds) {
  const std::vector<SampledRows> outcomes{{RowVariance({1, 2, 3, 4}), 4}};
  EXPECT_EQ(solve_row_keep_ratio(outcomes, 1e9, 0.3), 0.3);
  EXPECT_EQ(solve_row_keep_ratio(outcomes, 0, 0.3), 1);
}

}  // namespace row_variance_test
}  // namespace vcas::control
