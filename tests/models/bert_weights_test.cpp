#include <ATen/ops/equal.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <string>

#include "models/small_bert.h"
#include "vcas/models/bert.h"

namespace vcas::models {
namespace bert_weights_test {

using testing::small_config;

TEST(InitialBertBackbone, IsWhatAModelWithoutAHeadNeeds) {
  const auto config = small_config();
  const auto tensors = initial_bert_backbone(config, 7);
  const auto [model, report] = make_bert_classifier(config, tensors, 7, /*require_head=*/false);
  EXPECT_EQ(report.initialised.size(), 4U) << "pooler and classifier";
  EXPECT_TRUE(report.surplus.empty());
  EXPECT_EQ(tensors.size() + 4, model->own_tensors().size());
}

TEST(InitialBertBackbone, HasHuggingFacesDistribution) {
  for (const auto& [name, tensor] : initial_bert_backbone(small_config(), 7)) {
    if (name.ends_with(".bias")) {
      EXPECT_TRUE(at::equal(tensor, at::zeros_like(tensor))) << name;
    } else if (name.ends_with("LayerNorm.weight")) {
      EXPECT_TRUE(at::equal(tensor, at::ones_like(tensor))) << name;
    } else if (tensor.numel() >= 1000) {
      EXPECT_NEAR(tensor.std().item<double>(), 0.05, 0.05 * 0.15) << name;
      EXPECT_NEAR(tensor.mean().item<double>(), 0, 0.01) << name;
    }
  }
}

TEST(InitialBertBackbone, DependsOnTheSeedAlone) {
  const std::string name = "bert.encoder.layer.1.output.dense.weight";
  const auto config = small_config();
  const auto first = initial_bert_backbone(config, 7).at(name);
  EXPECT_TRUE(at::equal(first, initial_bert_backbone(config, 7).at(name)));
  EXPECT_FALSE(at::equal(first, initial_bert_backbone(config, 8).at(name)));
}

}  // namespace bert_weights_test
}  // namespace vcas::models
