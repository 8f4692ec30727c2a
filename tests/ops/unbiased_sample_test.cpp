// SampleA of one block: over thousands of draws the mean of every tensor's gradient is the exact one, and its
// mean squared error the one predicted. The distribution of every draw is enumerated, so that variance and
// largest value of the bounds are known and not estimated.
#include <gtest/gtest.h>

#include "ops/unbiased_estimates.h"
#include "sampling/draw.h"

namespace vcas::ops {
namespace unbiased_sample_test {

using namespace testing;  // NOLINT(google-build-using-namespace): the support headers of this test

constexpr int64_t kDraws = 4000;
const std::vector<int64_t> kLengths = {3, 2, 4, 2, 3, 4, 2};
const std::vector<double> kAll(kLengths.size(), 1.0);

class UnbiasedSamples : public Unbiased {
 protected:
  Model model_ = model(kLengths);
  Model reference_ = in_double(model_);
  ModelGradient gradient_ = exact_gradient(reference_);

  void expect_unbiased(const Block& block, const Sampling& sampling, size_t index,
                       const std::vector<Estimated>& expected) const {
    expect_inclusion_at_least(expected, 0.05);
    Pass pass(block);
    const auto draw = [&](uint32_t d) { return pass.backward(sampling.plan(index, d)).parameters; };
    EXPECT_EQ(disagreements(expected, kDraws, draw), std::vector<std::string>{});
  }

  /// Of one block's parameters, whose samples' contributions arrive with these factors.
  std::vector<Estimated> expected(size_t block, const Sampling& sampling,
                                  const std::vector<double>& arriving) const {
    auto norms = gradient_.sample_norms[block];
    for (size_t i = 0; i < norms.size(); ++i) norms[i] *= arriving[i];
    const auto outcomes = distribution(norms, sampling.samples[block], method());
    const auto factors = at::tensor(arriving, at::kDouble).unsqueeze(1);
    std::vector<Estimated> result;
    for (size_t p = 0; p < static_cast<size_t>(kTransformerParameters); ++p) {
      const size_t index = leaf(static_cast<int64_t>(block), p);
      result.push_back({leaf_name(index), gradient_.by_sample[index] * factors, outcomes,
                        arithmetic().rounding * gradient_.norm});
    }
    return result;
  }
};
INSTANTIATE_TEST_SUITE_P(All, UnbiasedSamples, all_variants(), variant_name);

TEST_P(UnbiasedSamples, OfTheTopBlock) {
  const Sampling sampling{{7, 5}, {}, method()};
  Block upper = model_.blocks[1];
  upper.x = lower_output(model_).requires_grad_(true);
  expect_unbiased(upper, sampling, 1, expected(1, sampling, kAll));
}

/// Given what the upper block kept, the lower one is unbiased for the gradient that arrives; the tower rule
/// does the rest.
TEST_P(UnbiasedSamples, OfTheLowerBlockWhileTheUpperKeepsTheSame) {
  const Sampling sampling{{4, 6}, {}, method()};
  const auto held = sampling.plan(1, 1000000);
  const auto kept = sampling::draw(at::tensor(gradient_.sample_norms[1], at::kDouble), held.sample_count,
                                   method(), held.stream);
  std::vector<double> arriving(kLengths.size(), 0.0);
  for (int64_t j = 0; j < kept.indices.numel(); ++j)
    if (const auto i = kept.indices[j].item<int64_t>(); i >= 0)
      arriving[static_cast<size_t>(i)] = kept.scales[j].item<double>();
  ASSERT_GT(std::count_if(arriving.begin(), arriving.end(), [](double c) { return c > 0; }), 4);

  Block upper = model_.blocks[1], lower = model_.blocks[0];
  upper.x = lower_output(model_).requires_grad_(true);
  lower.output_gradient = Pass(upper).backward(held).x;
  expect_unbiased(lower, sampling, 0, expected(0, sampling, arriving));
}

}  // namespace unbiased_sample_test
}  // namespace vcas::ops
