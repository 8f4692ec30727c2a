#include "vcas/sampling/layout.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "sampling/variance.h"
#include "vcas/sampling/statistics.h"

namespace vcas::sampling {
namespace layout_test {

SamplingLayout layout() {
  return {{{.name = "a",
            .cost_key = "key",
            .samples_activations = false,
            .weights = {{"a.w", 2}, {"a.v", 0, false}}},
           {.name = "b", .mixes_samples = true},
           {.name = "c", .chain = 1, .weights = {{"c.w", 1}}}}};
}

TEST(SamplingLayout, ComesBackFromJson) {
  const auto json = to_json(layout());
  const auto back = layout_from_json(nlohmann::json::parse(json.dump()));
  EXPECT_EQ(to_json(back), json);
  EXPECT_FALSE(back.blocks[0].samples_activations || back.blocks[0].weights[1].trainable);
  EXPECT_TRUE(back.blocks[1].mixes_samples && back.blocks[1].samples_activations);
  EXPECT_EQ(back.blocks[2].chain, 1);
  EXPECT_EQ(back.blocks[0].weights[0].gradient, 2);
}

TEST(SamplingLayout, LeavesDefaultsOutOfJson) {
  const auto read = layout_from_json({{"blocks", {{{"name", "a"}, {"weights", {{{"name", "w"}}}}}}}});
  EXPECT_TRUE(read.blocks.at(0).samples_activations && read.blocks[0].weights.at(0).trainable);
  EXPECT_TRUE(read.blocks[0].cost_key.empty());
  EXPECT_THROW(layout_from_json(nlohmann::json::object()), nlohmann::json::exception);
}

TEST(SamplingLayout, KnowsTheTopOfEveryChain) {
  EXPECT_FALSE(is_topmost(layout(), 0));
  EXPECT_TRUE(is_topmost(layout(), 1));
  EXPECT_TRUE(is_topmost(layout(), 2));
}

TEST(SamplingLayout, KnowsWhatLiesBelowABlockThatMixesSamples) {
  EXPECT_EQ(below_mixing_blocks(layout()), (std::vector<bool>{true, false, false}));
  const SamplingLayout two_chains{{{.name = "a"},
                                   {.name = "b"},
                                   {.name = "c", .mixes_samples = true},
                                   {.name = "d", .chain = 1},
                                   {.name = "e", .mixes_samples = true, .chain = 1}}};
  EXPECT_EQ(below_mixing_blocks(two_chains), (std::vector<bool>{true, true, false, true, false}));
}

TEST(SamplingLayout, IsRefusedWhereItDoesNotFit) {
  const auto refused = [](const std::function<void(SamplingLayout&)>& damage) {
    auto damaged = layout();
    damage(damaged);
    EXPECT_THROW(check(damaged), c10::Error);
  };
  EXPECT_NO_THROW(check(layout()));
  refused([](auto& l) { l.blocks.clear(); });
  refused([](auto& l) { l.blocks.push_back({.name = "d"}); });  // chain 0 again
  refused([](auto& l) { l.blocks[0].weights[0].gradient = -1; });
  refused([](auto& l) { l.blocks[2].weights[0].name = "a.w"; });
}

TEST(KeepRatios, AreMaximaWithinAChain) {
  const auto norms = [](const std::vector<double>& values) { return at::tensor(values, at::kDouble); };
  auto four = layout();
  four.blocks[0].samples_activations = true;
  four.blocks.push_back({.name = "d", .samples_activations = false, .chain = 1});
  four.blocks.push_back({.name = "e", .chain = 1});
  const std::vector<at::Tensor> by_block{
      norms({1, 1, 1, 1}), norms({9, 1, 0, 0}), norms({1, 1, 0, 0}), {}, norms({9, 1, 0, 0})};
  EXPECT_EQ(keep_ratios(four, by_block, 0.9), (std::vector<double>{1, 1, 0.5, 1, 0.5}));
  EXPECT_THROW(keep_ratios(four, {by_block[0]}, 0.9), c10::Error);
}

TEST(BlockStatistics, TakeScoresApartWeightAfterWeight) {
  const auto block = block_statistics({}, at::arange(5, at::kDouble), {{0, 1, 2}, {0, 3, 3}});
  ASSERT_EQ(block.weights.size(), 2U);
  EXPECT_TRUE(block.weights[0].scores.equal(at::tensor({0.0, 1.0}, at::kDouble)));
  EXPECT_TRUE(block.weights[1].scores.equal(at::tensor({2.0, 3.0, 4.0}, at::kDouble)));
  EXPECT_FALSE(block_statistics({}, {}, {{0, 1, 2}}).weights.at(0).scores.defined());
  EXPECT_THROW(block_statistics({}, at::arange(4, at::kDouble), {{0, 1, 2}, {0, 3, 3}}), c10::Error);
}

}  // namespace layout_test
}  // namespace vcas::sampling
