#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "models/small_bert.h"
#include "vcas/models/bert.h"

namespace vcas::models {
namespace bert_classifier_test {

using hugging_face::file_name;
using testing::small_bert;
using testing::small_config;

/// Three texts of 5, 2 and 9 tokens.
TextBatch small_batch() {
  TextBatch batch;
  batch.examples = {0, 1, 2};
  batch.offsets = at::tensor({0, 5, 7, 16}, at::kLong);
  batch.divisor = 3;
  batch.token_ids = at::arange(16, at::kLong) * 31 % 500;
  batch.token_type_ids = at::arange(16, at::kLong) % 2;
  batch.labels = at::tensor({0, 1, 1}, at::kLong);
  return batch;
}

TEST(BertClassifier, ParametersHaveTheOrderOfEmbeddingsLayersHead) {
  const auto model = small_bert();
  const auto table = bert_tensor_table(small_config());
  std::vector<std::string> names;
  for (const auto& parameter : model->trainable_parameters())
    names.push_back(file_name(table, parameter.name));
  ASSERT_EQ(names.size(), 5U + 2 * 16 + 4);
  const std::vector<std::string> first(names.begin(), names.begin() + 9);
  EXPECT_EQ(first, (std::vector<std::string>{
                       "bert.embeddings.word_embeddings.weight", "bert.embeddings.position_embeddings.weight",
                       "bert.embeddings.token_type_embeddings.weight", "bert.embeddings.LayerNorm.weight",
                       "bert.embeddings.LayerNorm.bias", "bert.encoder.layer.0.attention.self.query.weight",
                       "bert.encoder.layer.0.attention.self.query.bias",
                       "bert.encoder.layer.0.attention.self.key.weight",
                       "bert.encoder.layer.0.attention.self.key.bias"}));
  const std::vector<std::string> last(names.end() - 6, names.end());
  EXPECT_EQ(last, (std::vector<std::string>{"bert.encoder.layer.1.output.LayerNorm.weight",
                                            "bert.encoder.layer.1.output.LayerNorm.bias",
                                            "bert.pooler.dense.weight", "bert.pooler.dense.bias",
                                            "classifier.weight", "classifier.bias"}));
}

TEST(BertClassifier, BiasesAndNormsDoNotDecayAndTheHeadLiesAboveSampling) {
  const auto model = small_bert();
  const auto table = bert_tensor_table(small_config());
  for (const auto& parameter : model->trainable_parameters()) {
    const auto name = file_name(table, parameter.name);
    const bool kept = name.ends_with(".bias") || name.find("LayerNorm") != std::string::npos;
    EXPECT_EQ(parameter.traits.weight_decay, !kept) << name;
    const bool head = name.starts_with("bert.pooler.") || name.starts_with("classifier.");
    EXPECT_EQ(parameter.traits.below_topmost_sampling, !head) << name;
  }
}

TEST(BertClassifier, LayoutHasHuggingFacesNames) {
  const auto layout = small_bert()->layout();
  ASSERT_EQ(layout.blocks.size(), 2U);
  const auto& block = layout.blocks[1];
  EXPECT_EQ(block.name, "bert.encoder.layer.1");
  EXPECT_EQ(block.cost_key, "transformer_layer 32x64");
  std::vector<std::string> names;
  for (const auto& weight : block.weights) names.push_back(weight.name);
  const std::string layer = "bert.encoder.layer.1.";
  EXPECT_EQ(names, (std::vector<std::string>{
                       layer + "attention.self.query.weight", layer + "attention.self.key.weight",
                       layer + "attention.self.value.weight", layer + "attention.output.dense.weight",
                       layer + "intermediate.dense.weight", layer + "output.dense.weight"}));
  EXPECT_EQ(block.weights[0].gradient, 5 + 16) << "after the embeddings and the first layer";
}

TEST(BertClassifier, LastLayerRunsOnTheFirstRowOfEachText) {
  const auto batch = small_batch();
  const auto rows = small_bert()->forward(batch, {}).rows();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].weight_rows, (std::vector<int64_t>{16, 16, 16, 16, 16, 16}));
  EXPECT_EQ(rows[1].weight_rows, (std::vector<int64_t>{3, 16, 16, 3, 3, 3}));
}

TEST(BertClassifier, FlopsOfShapesAreThoseOfAPass) {
  const auto model = small_bert();
  const auto batch = small_batch();
  auto pass = model->forward(batch, {});
  EXPECT_EQ(model->flops(batch, {}).forward, pass.exact_flops().forward);
  EXPECT_EQ(model->flops(batch, {}).backward, pass.exact_flops().backward);
  EXPECT_EQ(pass.backward({}).flops, pass.exact_flops().backward);
}

TEST(BertClassifier, TextsDoNotSeeEachOther) {
  const at::NoGradGuard no_grad;
  const auto model = small_bert();
  const auto batch = small_batch();
  const auto together = model->logits(batch, {});
  TextBatch alone = batch;
  alone.offsets = at::tensor({0, 2}, at::kLong);
  alone.token_ids = batch.token_ids.slice(0, 5, 7);
  alone.token_type_ids = batch.token_type_ids.slice(0, 5, 7);
  // Products over another number of rows may round differently.
  EXPECT_TRUE(at::allclose(model->logits(alone, {})[0], together[1], 1e-5, 1e-6));
}

TEST(BertClassifier, WeightsOfExamplesScaleTheirLosses) {
  const auto model = small_bert();
  auto batch = small_batch();
  const auto losses = model->forward(batch, {}).sample_losses();
  batch.weights = {0.5, 0, 2};
  const double expected = (losses * at::tensor({0.5F, 0.0F, 2.0F})).mean().item<double>();
  EXPECT_NEAR(model->forward(batch, {}).loss().item<double>(), expected, 1e-6);
}

TEST(BertClassifier, ReadsTheWordsOfTheBatch) {
  const auto batch = small_batch();
  const auto read = small_bert()->rows_read(batch);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].parameter, 0U);
  EXPECT_TRUE(at::equal(read[0].rows, batch.token_ids));
}

TEST(BertClassifier, RefusesATextThatIsTooLong) {
  auto config = small_config();
  config.max_position_embeddings = 8;
  EXPECT_THROW(small_bert(config)->logits(small_batch(), {}), c10::Error);
}

}  // namespace bert_classifier_test
}  // namespace vcas::models
