#include "sampling/inclusion.h"

#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "sampling/host.h"

namespace vcas::sampling {
namespace inclusion_test {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// Sums and quotients of at most 64 float64 values.
constexpr double kTolerance = 1e-13;

std::vector<double> probabilities(const std::vector<double>& weights, int64_t count) {
  std::vector<double> result(weights.size());
  inclusion_probabilities(weights, count, result);
  return result;
}

// Every case holds on both implementations.
void expect_probabilities(const std::vector<double>& weights, int64_t count,
                          const std::vector<double>& expected) {
  const auto host = probabilities(weights, count);
  const at::Tensor generic = inclusion_probabilities_generic(at::tensor(weights, at::kDouble), count);
  for (size_t i = 0; i < weights.size(); ++i) {
    EXPECT_NEAR(host[i], expected[i], kTolerance) << i;
    EXPECT_NEAR(generic[static_cast<int64_t>(i)].item<double>(), expected[i], kTolerance) << i;
  }
}

TEST(InclusionProbabilities, AreProportionalWhenNoneSaturates) {
  expect_probabilities({1, 2, 3, 4}, 1, {0.1, 0.2, 0.3, 0.4});
  expect_probabilities({1, 1, 1, 1}, 3, {0.75, 0.75, 0.75, 0.75});
}

TEST(InclusionProbabilities, SumsToCountWhenSomeSaturate) {
  expect_probabilities({10, 1, 1}, 2, {1, 0.5, 0.5});
  // 100 saturates first, and only then does 10.
  expect_probabilities({100, 10, 1, 1, 1}, 3, {1, 1, 1.0 / 3, 1.0 / 3, 1.0 / 3});
}

TEST(InclusionProbabilities, OfEveryEntryAreOne) {
  expect_probabilities({3, 1, 2}, 3, {1, 1, 1});
  expect_probabilities({3, 0, 2}, 3, {1, 1, 1});
  expect_probabilities({5}, 1, {1});
  expect_probabilities({0}, 1, {1});
}

TEST(InclusionProbabilities, OfZeroWeightsShareWhatIsLeft) {
  expect_probabilities({0, 7, 0, 0}, 2, {1.0 / 3, 1, 1.0 / 3, 1.0 / 3});
  expect_probabilities({0, 7, 3, 0}, 2, {0, 1, 1, 0});
  expect_probabilities({0, 7, 3, 1}, 2, probabilities({0, 7, 3, 1}, 2));
  EXPECT_EQ(probabilities({0, 7, 3, 1}, 2)[0], 0);
  expect_probabilities({0, 0, 0, 0}, 3, {0.75, 0.75, 0.75, 0.75});
}

TEST(InclusionProbabilities, SurviveOneWeightThatDwarfsTheRest) {
  expect_probabilities({1e30, 1, 2, 1}, 2, {1, 0.25, 0.5, 0.25});
  expect_probabilities({1e300, 1e300, 1e300, 1e300}, 2, {0.5, 0.5, 0.5, 0.5});
  expect_probabilities({1e308, 1, 3}, 2, {1, 0.25, 0.75});
  const auto alone = probabilities({1e30, 1, 1}, 1);
  EXPECT_NEAR(alone[0], 1, kTolerance);
  EXPECT_GT(alone[1], 0);  // a sample with a gradient can always be drawn
}

TEST(InclusionProbabilities, OfDenormalsAreProportional) {
  expect_probabilities({5e-324, 5e-324, 1e-323}, 1, {0.25, 0.25, 0.5});
  expect_probabilities({1, 5e-324, 5e-324}, 2, {1, 0.5, 0.5});
}

TEST(InclusionProbabilities, OfNonFiniteWeightsFollowAFixedRule) {
  expect_probabilities({1, kNaN, 2}, 2, {1, 1, 0});
  expect_probabilities({1, 2, kInf}, 1, {1, 0, 0});
  expect_probabilities({kNaN, kNaN, kNaN}, 3, {1, 1, 1});
}

TEST(InclusionProbabilities, RefuseACountOutOfRange) {
  const at::Tensor weights = at::tensor({1.0, 2.0}, at::kDouble);
  for (const int64_t count : {-1, 0, 3}) {
    EXPECT_THROW(inclusion_probabilities(weights, count), c10::Error);
    EXPECT_THROW(inclusion_probabilities_generic(weights, count), c10::Error);
  }
  EXPECT_THROW(inclusion_probabilities(at::tensor({1, 2}, at::kLong), 1), c10::Error);
  try {
    inclusion_probabilities(weights, 40);
    FAIL();
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("inclusion_probabilities: expected count in [1, 2], got 40"),
              std::string::npos);
  }
}

// Weights over many orders of magnitude, with ties and zeros among them.
struct Case {
  std::vector<double> weights;
  int64_t count;
};

Case arbitrary_case() {
  const auto exponents = *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(-40, 41)));
  Case result;
  for (const int exponent : exponents)
    result.weights.push_back(exponent < -30 ? 0 : std::exp2(exponent / 2.0));
  result.count = *rc::gen::inRange<int64_t>(1, static_cast<int64_t>(exponents.size()) + 1);
  return result;
}

TEST(InclusionProbabilities, HoldTheirInvariantsForAnyWeights) {
  EXPECT_TRUE(rc::check("sum, bounds, order and proportion", [] {
    const auto [weights, count] = arbitrary_case();
    const auto p = probabilities(weights, count);
    RC_ASSERT(std::abs(std::accumulate(p.begin(), p.end(), 0.0) - static_cast<double>(count)) < 1e-10);
    const auto alive = std::count_if(weights.begin(), weights.end(), [](double w) { return w > 0; });
    double ratio = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      RC_ASSERT(p[i] >= 0 && p[i] <= 1);
      RC_ASSERT(weights[i] == 0 || p[i] > 0);
      RC_ASSERT(weights[i] > 0 || alive < count || p[i] == 0);
      for (size_t j = 0; j < p.size(); ++j) RC_ASSERT(weights[i] < weights[j] || p[i] >= p[j]);
      if (weights[i] > 0 && p[i] < 1) {
        if (ratio == 0) ratio = p[i] / weights[i];
        RC_ASSERT(std::abs(p[i] / weights[i] / ratio - 1) < 1e-12);
        // Whatever is at 1 would be above 1 in that proportion.
        for (size_t j = 0; j < p.size(); ++j) RC_ASSERT(p[j] < 1 || weights[j] * ratio > 1 - 1e-12);
      }
    }
  }));
}

TEST(InclusionProbabilities, AgreeBetweenHostAndTensorOperations) {
  EXPECT_TRUE(rc::check("host equals generic", [] {
    const auto [weights, count] = arbitrary_case();
    const auto host = probabilities(weights, count);
    const at::Tensor generic = inclusion_probabilities_generic(at::tensor(weights, at::kDouble), count);
    for (size_t i = 0; i < weights.size(); ++i) {
      RC_ASSERT(std::abs(host[i] - generic[static_cast<int64_t>(i)].item<double>()) <= 1e-12 * host[i]);
    }
  }));
}

}  // namespace inclusion_test
}  // namespace vcas::sampling
