// SampleW, alone and under SampleA of both blocks: as unbiased_sample_test.cpp, over rows. Few rows, so that
// their draws can be enumerated too.
#include <gtest/gtest.h>

#include "ops/unbiased_estimates.h"

namespace vcas::ops {
namespace unbiased_weight_test {

using namespace testing;  // NOLINT(google-build-using-namespace): the support headers of this test

constexpr int64_t kDraws = 4000;
const std::vector<int64_t> kLengths = {2, 3, 2, 1};

class UnbiasedWeights : public Unbiased {
 protected:
  Model model_ = model(kLengths);
  Model reference_ = in_double(model_);

  std::vector<Estimated> expected(const Sampling& sampling) const {
    auto result = estimates(reference_, exact_gradient(reference_), sampling, arithmetic().rounding);
    expect_inclusion_at_least(result, 0.05);
    return result;
  }
};
INSTANTIATE_TEST_SUITE_P(All, UnbiasedWeights, all_variants(), variant_name);

/// A linear's draw touches its own weight only, so all six are seen in one pass.
TEST_P(UnbiasedWeights, OfEachLinearWhenEverySampleIsKept) {
  const Sampling sampling{{4, 4}, {{{}, {5, 6, 5, 4, 6, 7}}}, method()};
  const auto all = expected(sampling);
  const std::vector<Estimated> upper_block(all.begin() + static_cast<int64_t>(leaf(1, 0)), all.end());
  Block upper = model_.blocks[1];
  upper.x = lower_output(model_).requires_grad_(true);
  Pass pass(upper);
  const auto draw = [&](uint32_t d) { return pass.backward(sampling.plan(1, d)).parameters; };
  EXPECT_EQ(disagreements(upper_block, kDraws, draw), std::vector<std::string>{});
}

/// Everything together: every tensor of both blocks and x, under SampleA of both and SampleW of all linears.
TEST_P(UnbiasedWeights, OfEachLinearAmongTheSamplesThatBothBlocksKept) {
  const Sampling sampling{{2, 3}, {{{2, 3, 2, 3, 3, 2}, {4, 5, 3, 4, 5, 4}}}, method()};
  ModelPass pass(model_);
  const auto draw = [&](uint32_t d) { return pass.backward(sampling.plans(d)); };
  EXPECT_EQ(disagreements(expected(sampling), kDraws, draw), std::vector<std::string>{});
}

}  // namespace unbiased_weight_test
}  // namespace vcas::ops
