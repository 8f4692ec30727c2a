#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "nn/fake_model.h"
#include "vcas/sampling/layout.h"

namespace vcas::nn {
namespace layout_test {

using testing::all_kinds_of_blocks;
using testing::FakeBlock;
using testing::FakeBlockOptions;
using testing::FakeModel;
using testing::RowsOf;

std::vector<std::string> weight_names(const sampling::SampledBlock& block) {
  std::vector<std::string> names;
  for (const auto& weight : block.weights) names.push_back(weight.name);
  return names;
}

TEST(SamplingLayout, PointsAtTheGradientOfEachTrainableWeight) {
  FakeBlockOptions first, second;
  first.weights = {{"b"}, {"frozen", RowsOf::every_row, /*trainable=*/false}};
  second.weights = {{"a"}};
  const auto layout = FakeModel({first, second}).layout();
  ASSERT_EQ(layout.blocks.size(), 2u);
  EXPECT_EQ(layout.blocks[0].weights[0].gradient, 0);
  EXPECT_TRUE(layout.blocks[0].weights[0].trainable);
  EXPECT_FALSE(layout.blocks[0].weights[1].trainable);
  EXPECT_EQ(layout.blocks[1].weights[0].gradient, 1);
}

TEST(Layout, NamesBlocksAndWeightsAsTheModelDoes) {
  const auto layout = FakeModel(all_kinds_of_blocks()).layout();
  std::vector<std::string> blocks;
  for (const auto& block : layout.blocks) blocks.push_back(block.name);
  EXPECT_EQ(blocks, (std::vector<std::string>{"block0", "block1", "block2", "block3", "block4"}));
  EXPECT_EQ(weight_names(layout.blocks[0]),
            (std::vector<std::string>{"block0.rows", "block0.pairs", "block0.samples"}));
  EXPECT_EQ(weight_names(layout.blocks[2]), (std::vector<std::string>{"block2.weight", "block2.again"}));
  EXPECT_NO_THROW(sampling::check(layout));
}

TEST(Layout, HoldsWhatABlockIs) {
  const auto layout = FakeModel(all_kinds_of_blocks()).layout();
  for (size_t b = 0; b < layout.blocks.size(); ++b) {
    EXPECT_EQ(layout.blocks[b].samples_activations, b != 1) << b;
    EXPECT_EQ(layout.blocks[b].mixes_samples, b == 3) << b;
    EXPECT_EQ(layout.blocks[b].chain, b < 3 ? 0 : 1) << b;
    EXPECT_EQ(sampling::is_topmost(layout, b), b == 2 || b == 4) << b;
  }
}

TEST(Layout, UsesOfOneParameterPointAtItsOneGradient) {
  const FakeModel model(all_kinds_of_blocks());
  const auto layout = model.layout();
  EXPECT_EQ(layout.blocks[2].weights[1].gradient, layout.blocks[0].weights[0].gradient);
  EXPECT_TRUE(layout.blocks[2].weights[1].trainable);
  EXPECT_TRUE(model.blocks()[2]->weights()[1].is_same(model.blocks()[0]->weights()[0]));
}

TEST(Layout, GradientsAreCountedBelowTheTopmostSampling) {
  const FakeModel model(all_kinds_of_blocks());
  const auto parameters = model.trainable_parameters();
  const auto controlled = controlled_parameters(parameters);
  const auto layout = model.layout();
  for (size_t b = 0; b < layout.blocks.size(); ++b) {
    for (size_t w = 0; w < layout.blocks[b].weights.size(); ++w) {
      const auto& weight = layout.blocks[b].weights[w];
      if (!weight.trainable) continue;
      const auto& parameter = parameters[controlled[static_cast<size_t>(weight.gradient)]];
      EXPECT_TRUE(parameter.value.is_same(model.blocks()[b]->weights()[w])) << weight.name;
    }
  }
}

TEST(Layout, ComesBackFromJson) {
  const auto layout = FakeModel(all_kinds_of_blocks()).layout();
  const auto json = sampling::to_json(layout);
  EXPECT_EQ(sampling::to_json(sampling::layout_from_json(nlohmann::json::parse(json.dump()))), json);
}

TEST(TrainableParameters, SayWhatTheyAreWhereTheyAreRegistered) {
  const FakeModel model(all_kinds_of_blocks());
  const auto parameters = model.trainable_parameters();
  ASSERT_EQ(parameters.front().name, "head") << "a module's own come before its children's";
  EXPECT_TRUE(parameters.front().traits.weight_decay);
  EXPECT_FALSE(parameters.front().traits.below_topmost_sampling);
  EXPECT_TRUE(parameters.back().traits.below_topmost_sampling);
  EXPECT_EQ(controlled_parameters(parameters).size(), parameters.size() - 1);
  for (const auto& parameter : parameters) EXPECT_NE(parameter.name, "block3.frozen");
}

TEST(TrainableParameters, ListATiedOneOnce) {
  const FakeModel model(all_kinds_of_blocks());
  for (const auto& parameter : model.trainable_parameters()) EXPECT_NE(parameter.name, "block2.again");
  EXPECT_FALSE(model.own_tensors().contains("block2.again"));
  EXPECT_TRUE(model.own_tensors().contains("block3.frozen"));
}

TEST(TrainableParameters, AreInTheOrderOfTheirValues) {
  const FakeModel model(all_kinds_of_blocks());
  const auto parameters = model.trainable_parameters();
  const auto values = model.trainable_values();
  ASSERT_EQ(parameters.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_TRUE(parameters[i].value.is_same(values[i])) << i;
}

/// A bias in a module that knows no traits, as other libraries write them.
class PlainModule final : public torch::nn::Module {
 public:
  PlainModule() {
    register_parameter("weight", at::zeros({2, 2}));
    register_parameter("bias", at::zeros({2}));
  }
};

class ModelWithAPlainModule final : public Model {
 public:
  ModelWithAPlainModule() { register_module("plain", std::make_shared<PlainModule>()); }
  Flops flops(const Batch& /*batch*/, const ops::ComputeOptions& /*compute*/) const override { return {}; }
};

TEST(TrainableParameters, OfOneDimensionHaveNoWeightDecayUnlessTold) {
  const auto parameters = ModelWithAPlainModule().trainable_parameters();
  ASSERT_EQ(parameters.size(), 2U);
  EXPECT_EQ(parameters[0].name, "plain.weight");
  EXPECT_TRUE(parameters[0].traits.weight_decay);
  EXPECT_FALSE(parameters[1].traits.weight_decay);
}

}  // namespace layout_test
}  // namespace vcas::nn
