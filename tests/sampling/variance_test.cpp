#include "sampling/variance.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>

namespace vcas::sampling {
namespace variance_test {

at::Tensor doubles(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

TEST(BernoulliVariance, IsTheAnalyticSum) {
  // (1-.5)/.5·4 + (1-.25)/.25·9 + 0 + 0
  const at::Tensor v = bernoulli_variance(doubles({2, 3, 5, 0}), doubles({0.5, 0.25, 1, 0}));
  EXPECT_DOUBLE_EQ(v.item<double>(), 4 + 27);
}

TEST(BernoulliVariance, TakesFloat32WithoutOverflow) {
  const at::Tensor weights = doubles({1e30}).to(at::kFloat);
  EXPECT_NEAR(bernoulli_variance(weights, doubles({0.5})).item<double>() / 1e60, 1, 1e-6);
}

TEST(KeepRatio, CountsTheLargestThatReachTheShare) {
  const at::Tensor norms = doubles({1, 4, 2, 3});
  EXPECT_EQ(keep_ratio(norms, 0), 0.25);
  EXPECT_EQ(keep_ratio(norms, 0.4), 0.25);
  EXPECT_EQ(keep_ratio(norms, 0.41), 0.5);
  EXPECT_EQ(keep_ratio(norms, 0.7), 0.5);
  EXPECT_EQ(keep_ratio(norms, 0.9), 0.75);
  EXPECT_EQ(keep_ratio(norms, 0.91), 1);
}

TEST(KeepRatio, OfOneKeepsEveryPositiveNorm) {
  EXPECT_EQ(keep_ratio(doubles({1, 0, 1e-300, 0}), 1), 0.5);
  EXPECT_EQ(keep_ratio(doubles({1e30, 1, 0, 1e-30}), 1), 0.75);
}

TEST(KeepRatio, OfNothingOrNonFiniteStaysDefined) {
  EXPECT_EQ(keep_ratio(at::zeros({4}, at::kDouble), 0.9), 0.25);
  EXPECT_EQ(keep_ratio(doubles({1, std::numeric_limits<double>::quiet_NaN()}), 0.1), 1);
  EXPECT_EQ(keep_ratio(doubles({1, std::numeric_limits<double>::infinity()}), 0.1), 1);
}

TEST(KeepRatio, RefusesImpossibleArguments) {
  EXPECT_THROW(keep_ratio(at::zeros({0}), 0.5), c10::Error);
  EXPECT_THROW(keep_ratio(at::zeros({2}), 1.5), c10::Error);
  EXPECT_THROW(keep_ratio(at::zeros({2}), std::numeric_limits<double>::quiet_NaN()), c10::Error);
}

TEST(KeepRatios, NeverFallFromBlockToBlock) {
  const std::vector<at::Tensor> blocks{doubles({1, 1, 1, 1}), doubles({9, 1, 0, 0}), doubles({1, 1, 1, 0})};
  EXPECT_EQ(keep_ratios(blocks, 0.9), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(keep_ratios({blocks[1], blocks[2], blocks[0]}, 0.9), (std::vector<double>{0.25, 0.75, 1}));
}

}  // namespace variance_test
}  // namespace vcas::sampling
