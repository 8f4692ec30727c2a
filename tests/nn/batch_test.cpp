#include "vcas/nn/batch.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "nn/fake_model.h"

namespace vcas::nn {
namespace batch_test {

using testing::fake_batch;
using testing::FakeModel;

TEST(Batch, HasNoWeightsUnlessGiven) {
  auto batch = fake_batch({2, 3});
  EXPECT_EQ(batch.size(), 2);
  EXPECT_FALSE(batch.sample_weights().defined());
  batch.weights = {0.5, 2};
  EXPECT_TRUE(at::equal(batch.sample_weights(), at::tensor({0.5, 2.0}, at::kDouble)));
}

TEST(Batch, WeightsAndDivisorMakeTheLoss) {
  const FakeModel model(std::vector<testing::FakeBlockOptions>(1));
  auto batch = fake_batch({2, 3, 1});
  const auto losses = model.forward(batch).sample_losses();
  batch.weights = {2, 0, 0.5};
  batch.divisor = 6;  // rows, as a mean over tokens has it
  const auto expected = (2 * losses[0] + 0.5 * losses[2]) / 6;
  // float32: a few roundings at 2^-24.
  EXPECT_NEAR(model.forward(batch).loss().item<double>(), expected.item<double>(), 1e-6);
}

TEST(Batch, WeightsOfARequestTakeThePlaceOfItsOwn) {
  const FakeModel model(std::vector<testing::FakeBlockOptions>(1));
  auto weighted = fake_batch({2, 3, 1}), plain = weighted;
  weighted.weights = {2, 0, 0.5};
  auto pass = model.forward(weighted), plain_pass = model.forward(plain);
  const auto own = at::tensor(weighted.weights, at::kDouble);
  const auto by_batch = pass.backward({.last_pass = false}).gradients;
  const auto by_request = plain_pass.backward({.sample_weights = own, .last_pass = false}).gradients;
  for (size_t i = 0; i < by_batch.size(); ++i) EXPECT_TRUE(at::equal(by_batch[i], by_request[i])) << i;
  const auto ones = pass.backward({.sample_weights = at::ones({3}, at::kDouble)}).gradients;
  const auto exact = plain_pass.backward({}).gradients;
  for (size_t i = 0; i < ones.size(); ++i) EXPECT_TRUE(at::allclose(ones[i], exact[i], 1e-5, 1e-7)) << i;
}

TEST(Batch, AnExampleOfWeightZeroHasNoNormAtAnyBlock) {
  const FakeModel model(std::vector<testing::FakeBlockOptions>(2));
  auto batch = fake_batch({2, 3, 1});
  batch.weights = {1, 0, 1};
  auto pass = model.forward(batch);
  for (const auto& block : pass.backward({.want_statistics = true}).statistics.blocks)
    EXPECT_EQ(block.sample_norms[1].item<double>(), 0);
}

}  // namespace batch_test
}  // namespace vcas::nn
