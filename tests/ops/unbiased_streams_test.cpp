// Which passes share their random numbers and which do not.
#include <gtest/gtest.h>

#include <set>

#include "ops/unbiased_estimates.h"

namespace vcas::ops {
namespace unbiased_streams_test {

using namespace testing;  // NOLINT(google-build-using-namespace): the support headers of this test
using sampling::DrawMethod;

const std::vector<int64_t> kLengths = {2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1};

/// Samples with a gradient at x, as bits.
uint64_t kept_samples(const Model& model, const at::Tensor& x_gradient) {
  uint64_t kept = 0;
  for (int64_t i = 0; i < model.samples(); ++i) {
    const auto rows =
        x_gradient.slice(0, model.offsets()[i].item<int64_t>(), model.offsets()[i + 1].item<int64_t>());
    if (rows.any().item<bool>()) kept |= uint64_t{1} << i;
  }
  return kept;
}

/// The upper block keeps 8 of 16 samples: two draws keep the same with probability about 1e-4.
std::array<sampling::BlockPlan, kBlocks> plans(DrawMethod method, uint32_t micro_batch, uint32_t draw) {
  const Sampling sampling{{16, 8}, {}, method};
  auto plans = sampling.plans(micro_batch);
  for (auto& plan : plans) plan.stream.draw = draw;
  return plans;
}

class Streams : public ::testing::TestWithParam<DrawMethod> {};
INSTANTIATE_TEST_SUITE_P(All, Streams, ::testing::Values(DrawMethod::fixed, DrawMethod::bernoulli),
                         [](const auto& variant) {
                           return variant.param == DrawMethod::fixed ? "Fixed" : "Bernoulli";
                         });

TEST_P(Streams, DrawsDifferBetweenMicroBatchesAndBetweenTheDrawsOfOneAdaptation) {
  const auto model = make_model(kLengths, at::kFloat, Implementation::automatic);
  ModelPass pass(model);
  std::set<uint64_t> seen;
  for (uint32_t micro_batch = 0; micro_batch < 3; ++micro_batch)
    for (uint32_t draw = 0; draw < 5; ++draw)
      seen.insert(kept_samples(model, pass.backward(plans(GetParam(), micro_batch, draw))[0]));
  EXPECT_EQ(seen.size(), 15u);
}

TEST_P(Streams, TheSameDrawKeepsTheSame) {
  const auto model = make_model(kLengths, at::kFloat, Implementation::automatic);
  ModelPass first(model), second(model);
  const auto a = first.backward(plans(GetParam(), 1, 2)), b = second.backward(plans(GetParam(), 1, 2));
  for (size_t t = 0; t < a.size(); ++t) EXPECT_TRUE(at::equal(a[t], b[t])) << leaf_name(t);
}

TEST_P(Streams, BlocksAndLinearsDrawApart) {
  const auto model = make_model({1, 1, 1, 1, 1, 1, 1, 1}, at::kDouble, Implementation::plain);
  const Sampling sampling{{8, 8}, {{{4, 4, 4, 4, 4, 4}, {4, 4, 4, 4, 4, 4}}}, GetParam()};
  // Query and key see the same rows, and with one row a sample no gradient; value and the rest do.
  std::set<std::vector<double>> seen;
  const auto gradient = exact_gradient(model);
  for (size_t block = 0; block < kBlocks; ++block) {
    for (const size_t linear : {2u, 3u, 4u, 5u}) {
      const auto parts = gradient.by_row[block][linear];
      ModelPass pass(model);
      const auto estimate =
          pass.backward(sampling.plans(0))[leaf(static_cast<int64_t>(block), kWeightOf[linear])];
      const auto solution = std::get<0>(at::linalg_lstsq(parts.t(), estimate.reshape({-1, 1})));
      std::vector<double> kept;
      for (int64_t r = 0; r < 8; ++r) kept.push_back(solution[r][0].item<double>() > 0.5 ? 1 : 0);
      seen.insert(kept);
    }
  }
  EXPECT_GT(seen.size(), 6u);
}

TEST(DropoutMasks, DifferBetweenMicroBatchesAndNotBetweenPassesOverOneForward) {
  for (const auto implementation : {Implementation::plain, Implementation::automatic}) {
    const auto output = [&](uint32_t micro_batch) {
      const auto model = make_model(kLengths, at::kFloat, implementation, micro_batch);
      return ModelPass(model).output().detach();
    };
    EXPECT_TRUE(at::equal(output(4), output(4)));
    EXPECT_GT(relative_error(output(4), output(5)), 0.05);
    const auto model = make_model(kLengths, at::kFloat, implementation, 4);
    ModelPass pass(model);
    const auto before = pass.backward({});
    pass.backward(plans(DrawMethod::fixed, 9, 1));
    const auto after = pass.backward({});
    for (size_t t = 0; t < before.size(); ++t) EXPECT_TRUE(at::equal(before[t], after[t])) << leaf_name(t);
  }
}

}  // namespace unbiased_streams_test
}  // namespace vcas::ops
