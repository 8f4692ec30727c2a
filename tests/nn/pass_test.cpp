#include "vcas/nn/pass.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nn/fake_model.h"
#include "vcas/nn/classification_loss.h"

namespace vcas::nn {
namespace pass_test {

using testing::all_kinds_of_blocks;
using testing::fake_batch;
using testing::FakeBatch;
using testing::FakeBlockOptions;
using testing::FakeModel;
using testing::RowsOf;
using testing::sampled_plan;

const std::vector<int64_t> kLengths = {3, 1, 4, 2};

std::vector<FakeBlockOptions> in_double(std::vector<FakeBlockOptions> blocks) {
  for (auto& block : blocks) block.dtype = at::kDouble;
  return blocks;
}

/// All kinds of blocks in float64, where products round at 2^-53.
class FakePass : public ::testing::Test {
 protected:
  /// Logits by ordinary products, without recording or sampling.
  at::Tensor plain_logits() const {
    return model_.logits(batch_, [&](size_t b, const at::Tensor& rows) {
      const auto& block = *model_.blocks()[b];
      return block.combine(rows, batch_.offsets,
                           [&](size_t w, const at::Tensor& x) { return x.matmul(block.weights()[w].t()); });
    });
  }
  at::Tensor plain_losses() const {
    return at::cross_entropy_loss(plain_logits(), batch_.labels, {}, at::Reduction::None);
  }

  FakeModel model_{in_double(all_kinds_of_blocks())};
  FakeBatch batch_ = fake_batch(kLengths, at::kDouble);
};

void expect_close(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  // Some tens of roundings at 2^-53 of values of order one.
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(at::allclose(got[i], expected[i], 1e-12, 1e-13)) << i;
}

TEST_F(FakePass, ExactGradientsAreAutograds) {
  auto pass = model_.forward(batch_);
  const auto expected = torch::autograd::grad({plain_losses().mean()}, model_.trainable_values());
  expect_close(pass.backward({}).gradients, expected);
}

TEST_F(FakePass, LossAndSampleLossesAreThoseOfTheForward) {
  const auto pass = model_.forward(batch_);
  const auto losses = plain_losses();
  EXPECT_TRUE(at::allclose(pass.sample_losses(), losses, 1e-12));
  EXPECT_FALSE(pass.sample_losses().requires_grad());
  EXPECT_NEAR(pass.loss().item<double>(), losses.mean().item<double>(), 1e-12);
}

TEST_F(FakePass, OutputGradientNormsAreThoseOfEachLossAtTheLogits) {
  const auto pass = model_.forward(batch_);
  const auto logits = plain_logits().detach().set_requires_grad(true);
  const auto losses = at::cross_entropy_loss(logits, batch_.labels, {}, at::Reduction::Sum);
  const auto gradients = torch::autograd::grad({losses}, {logits})[0];
  EXPECT_TRUE(at::allclose(pass.output_gradient_norms(), gradients.norm(2, 1), 1e-12));
}

TEST_F(FakePass, SampleWeightsAndLossScaleMultiply) {
  auto pass = model_.forward(batch_);
  const auto weights = at::tensor({2.0, 0.0, 1.0, 0.5}, at::kDouble);
  const auto loss = (plain_losses() * weights).mean() * 0.25;
  const auto expected = torch::autograd::grad({loss}, model_.trainable_values());
  expect_close(pass.backward({.loss_scale = 0.25, .sample_weights = weights}).gradients, expected);
}

TEST_F(FakePass, SeveralBackwardPassesOverOneForwardDoNotDisturbEachOther) {
  const auto layout = model_.layout();
  auto plan = sampled_plan(layout, 0.5, 0.5);
  auto shared = model_.forward(batch_), alone = model_.forward(batch_);
  const auto first = shared.backward({.last_pass = false}).gradients;
  plan.draw_number = 1;
  const auto second = shared.backward({.plan = plan, .last_pass = false}).gradients;
  plan.draw_number = 2;
  const auto third = shared.backward({.plan = plan, .last_pass = false}).gradients;
  const auto fourth = shared.backward({}).gradients;
  expect_close(fourth, first);
  bool differ = false;
  for (size_t i = 0; i < second.size(); ++i) differ = differ || !at::equal(second[i], third[i]);
  EXPECT_TRUE(differ) << "draws 1 and 2 name other random numbers";
  const auto again = alone.backward({.plan = plan}).gradients;
  for (size_t i = 0; i < again.size(); ++i)
    EXPECT_TRUE(at::equal(again[i], third[i])) << "a draw is its number's";
}

TEST_F(FakePass, StatisticsGiveEachWeightItsOwnRows) {
  auto pass = model_.forward(batch_);
  const auto statistics = pass.backward({.want_statistics = true}).statistics;
  ASSERT_EQ(statistics.blocks.size(), 5U);
  const auto& weights = statistics.blocks[0].weights;
  ASSERT_EQ(weights.size(), 3U);
  EXPECT_EQ(weights[0].offsets, (std::vector<int64_t>{0, 3, 4, 8, 10}));
  EXPECT_EQ(weights[1].offsets, (std::vector<int64_t>{0, 2, 3, 5, 6}));
  EXPECT_EQ(weights[2].offsets, (std::vector<int64_t>{0, 1, 2, 3, 4}));
  for (const auto& block : statistics.blocks) {
    EXPECT_EQ(block.sample_norms.numel(), 4);
    for (const auto& weight : block.weights) {
      EXPECT_EQ(weight.scores.numel(), weight.offsets.back());
      EXPECT_TRUE(weight.scores.gt(0).all().item<bool>());
      EXPECT_FALSE(weight.squared_norms.defined()) << "nobody measures them yet";
    }
  }
  EXPECT_TRUE(statistics.outside.empty());
}

TEST_F(FakePass, ScoresAreLeverageScores) {
  auto pass = model_.forward(batch_);
  const auto statistics = pass.backward({.want_statistics = true}).statistics;
  // The topmost block of the first chain: its input, and the gradient at its products.
  std::vector<at::Tensor> inputs(2), products(2);
  const auto logits = model_.logits(batch_, [&](size_t b, const at::Tensor& rows) {
    const auto& block = *model_.blocks()[b];
    return block.combine(rows, batch_.offsets, [&](size_t w, const at::Tensor& x) {
      const auto product = x.matmul(block.weights()[w].t());
      if (b == 2) inputs[w] = x, products[w] = product;
      return product;
    });
  });
  const auto gradients = torch::autograd::grad({at::cross_entropy_loss(logits, batch_.labels)}, products);
  for (size_t w = 0; w < 2; ++w) {
    const auto expected = gradients[w].norm(2, 1) * inputs[w].detach().norm(2, 1);
    EXPECT_TRUE(at::allclose(statistics.blocks[2].weights[w].scores, expected, 1e-12)) << w;
  }
}

TEST_F(FakePass, StatisticsAreEmptyUnlessAskedFor) {
  auto pass = model_.forward(batch_);
  EXPECT_TRUE(pass.backward({}).statistics.blocks.empty());
}

TEST_F(FakePass, RowsAreThoseOfTheBatch) {
  const auto rows = model_.forward(batch_).rows();
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[0].samples, 4);
  EXPECT_EQ(rows[0].weight_rows, (std::vector<int64_t>{10, 6, 4}));
  EXPECT_EQ(rows[2].weight_rows, (std::vector<int64_t>{10, 6}));
}

TEST_F(FakePass, ExactFlopsAreAFunctionOfShapes) {
  auto pass = model_.forward(batch_);
  const auto stated = model_.flops(batch_, {});
  EXPECT_DOUBLE_EQ(pass.exact_flops().forward, stated.forward);
  EXPECT_DOUBLE_EQ(pass.exact_flops().backward, stated.backward);
  EXPECT_DOUBLE_EQ(pass.backward({}).flops, stated.backward);
  // Rows of the weights: 10 + 6 + 4, 10, 10 + 6, 10 + 4, 10, each by 6 x 6; the head: 4 rows by 3 x 6.
  EXPECT_DOUBLE_EQ(stated.forward, 2.0 * (70 * 36 + 4 * 18));
  const auto other_values = fake_batch(kLengths, at::kDouble, /*phase=*/1.7);
  EXPECT_DOUBLE_EQ(model_.flops(other_values, {}).forward, stated.forward);
}

TEST_F(FakePass, SampledPassesPerformFewerFlops) {
  auto pass = model_.forward(batch_);
  const double half =
      pass.backward({.plan = sampled_plan(model_.layout(), 0.5, 1), .last_pass = false}).flops;
  const double quarter = pass.backward({.plan = sampled_plan(model_.layout(), 0.5, 0.5)}).flops;
  EXPECT_LT(half, 0.8 * pass.exact_flops().backward);
  EXPECT_LT(quarter, half);
}

TEST_F(FakePass, NothingIsAccumulatedIntoTheParameters) {
  auto pass = model_.forward(batch_);
  pass.backward({});
  for (const auto& value : model_.trainable_values()) EXPECT_FALSE(value.grad().defined());
}

TEST(Pass, ABlockMayMeasureNothing) {
  const at::Tensor parameter = at::ones({1}, at::kDouble).set_requires_grad(true);
  const at::Tensor labels = at::zeros({1}, at::kLong);
  Recording recording(PassOptions{});
  BlockRecord record;
  record.plan = sampling::make_plan_tensor(1);
  record.rows = {1, {1}};
  record.weight_offsets = {{0, 1}};
  record.exact = {3, 6};
  recording.add(record);
  auto loss = std::make_unique<ClassificationLoss>(at::stack({parameter, -parameter}, 1), labels);
  Pass pass(std::move(recording), {parameter}, std::move(loss), {1, 2});
  const auto result = pass.backward({.want_statistics = true});
  EXPECT_DOUBLE_EQ(result.flops, 8);
  ASSERT_EQ(result.statistics.blocks.size(), 1U);
  EXPECT_FALSE(result.statistics.blocks[0].sample_norms.defined());
  EXPECT_FALSE(result.statistics.blocks[0].weights.at(0).scores.defined());
  EXPECT_TRUE(result.gradients.at(0).ne(0).all().item<bool>());
}

TEST_F(FakePass, AChainKeepsItsOwnSamples) {
  auto pass = model_.forward(batch_);
  auto plan = sampled_plan(model_.layout(), 1, 1);
  plan.sample_keep_ratio[2] = 0.25;  // the top of the first chain
  const auto statistics = pass.backward({.plan = plan, .want_statistics = true}).statistics;
  EXPECT_EQ(statistics.blocks[1].sample_norms.count_nonzero().item<int64_t>(), 1);
  EXPECT_EQ(statistics.blocks[0].sample_norms.count_nonzero().item<int64_t>(), 1);
  EXPECT_EQ(statistics.blocks[3].sample_norms.count_nonzero().item<int64_t>(), 4);
}

TEST_F(FakePass, ABlockThatMixesSamplesGivesAllOfThemAGradient) {
  auto pass = model_.forward(batch_);
  auto plan = sampled_plan(model_.layout(), 1, 1);
  plan.sample_keep_ratio[3] = 0.25;
  const auto statistics = pass.backward({.plan = plan, .want_statistics = true}).statistics;
  EXPECT_EQ(statistics.blocks[3].weights[1].scores.count_nonzero().item<int64_t>(), 4);
}

TEST_F(FakePass, ABlockThatDoesNotSampleActivationsKeepsEverySample) {
  auto pass = model_.forward(batch_);
  auto plan = sampled_plan(model_.layout(), 1, 1);
  plan.row_keep_ratio[1] = {0.3};
  const auto sampled = pass.backward({.plan = plan, .want_statistics = true, .last_pass = false});
  const auto exact = pass.backward({});
  EXPECT_EQ(sampled.statistics.blocks[0].sample_norms.count_nonzero().item<int64_t>(), 4);
  const auto parameters = model_.trainable_parameters();
  for (size_t i = 0; i < parameters.size(); ++i) {
    const bool same = at::allclose(sampled.gradients[i], exact.gradients[i], 1e-12, 1e-13);
    EXPECT_EQ(same, parameters[i].name != "block1.weight") << parameters[i].name;
  }
}

}  // namespace pass_test
}  // namespace vcas::nn
