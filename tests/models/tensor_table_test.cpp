#include "vcas/models/hugging_face/tensor_table.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

#include "support/temporary_folder.h"
#include "vcas/nn/tensor_file.h"

namespace vcas::models::hugging_face {
namespace tensor_table_test {

constexpr int64_t kHidden = 4, kLabels = 3, kWords = 7;

/// GPT-2's ways with tensors: a joint transposed attention weight, a transposed output, a tied table, a
/// buffer.
class FakeGpt2 final : public nn::Model {
 public:
  FakeGpt2() {
    const auto words = add_parameter("words", at::zeros({kWords, kHidden}));
    for (const char* name : {"query", "key", "value"}) {
      add_parameter(std::string(name) + "_weight", at::zeros({kHidden, kHidden}));
      add_parameter(std::string(name) + "_bias", at::zeros({kHidden}));
    }
    add_parameter("output_weight", at::zeros({kHidden, 2 * kHidden}));
    add_parameter("scores", words);
    add_parameter("head_weight", at::zeros({kLabels, kHidden}));
    register_buffer("steps", at::zeros({2}, at::kLong));
  }
  nn::Flops flops(const nn::Batch& /*batch*/, const ops::ComputeOptions& /*compute*/) const override {
    return {};
  }
};

TensorRule joint(const std::string& own, const std::string& file, int64_t part, bool transposed) {
  return {
      .own = own,
      .file = file,
      .transposed = transposed,
      .part = part,
      .parts = 3,
      .initial = {.mean = transposed ? 0.0 : static_cast<double>(part), .deviation = transposed ? 0.5 : 0.0}};
}

TensorTable fake_table() {
  TensorTable table{"transformer.", {}, {".masked_bias"}};
  int64_t part = 0;
  for (const std::string name : {"query", "key", "value"}) {
    table.rules.push_back(joint(name + "_weight", "transformer.h.0.attn.c_attn.weight", part, true));
    table.rules.push_back(joint(name + "_bias", "transformer.h.0.attn.c_attn.bias", part, false));
    ++part;
  }
  table.rules.push_back(
      {.own = "output_weight", .file = "transformer.h.0.mlp.c_proj.weight", .transposed = true});
  table.rules.push_back({.own = "words", .file = "transformer.wte.weight", .initial = {.deviation = 0.02}});
  table.rules.push_back({.own = "scores", .file = "transformer.wte.weight", .initial = {.deviation = 0.02}});
  table.rules.push_back(
      {.own = "head_weight", .file = "score.weight", .head = true, .initial = {.deviation = 0.1}});
  table.rules.push_back({.own = "steps", .file = "transformer.steps"});
  return table;
}

at::Tensor wave(at::IntArrayRef shape, double phase) {
  return at::sin(at::arange(c10::multiply_integers(shape), at::kFloat) * 1.7 + phase).view(shape);
}

nn::NamedTensors fake_file() {
  return {{"transformer.h.0.attn.c_attn.weight", wave({kHidden, 3 * kHidden}, 0.1)},
          {"transformer.h.0.attn.c_attn.bias", wave({3 * kHidden}, 0.2)},
          {"transformer.h.0.mlp.c_proj.weight", wave({2 * kHidden, kHidden}, 0.3)},
          {"transformer.wte.weight", wave({kWords, kHidden}, 0.4)},
          {"score.weight", wave({kLabels, kHidden}, 0.5)},
          {"transformer.steps", at::arange(2)}};
}

std::string refusal(const nn::NamedTensors& tensors) {
  FakeGpt2 model;
  try {
    load_file_tensors(model, fake_table(), tensors, 1, /*require_head=*/true);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

TEST(TensorTable, PartsOfAJointTransposedTensorBecomeOwnTensors) {
  FakeGpt2 model;
  const auto file = fake_file();
  load_file_tensors(model, fake_table(), file, 1, /*require_head=*/true);
  const auto own = model.own_tensors();
  const auto& joint_weight = file.at("transformer.h.0.attn.c_attn.weight");
  EXPECT_TRUE(at::equal(own.at("query_weight"), joint_weight.slice(1, 0, kHidden).t()));
  EXPECT_TRUE(at::equal(own.at("key_weight"), joint_weight.slice(1, kHidden, 2 * kHidden).t()));
  EXPECT_TRUE(at::equal(own.at("value_weight"), joint_weight.slice(1, 2 * kHidden).t()));
  EXPECT_TRUE(
      at::equal(own.at("value_bias"), file.at("transformer.h.0.attn.c_attn.bias").slice(0, 2 * kHidden)));
  EXPECT_TRUE(at::equal(own.at("output_weight"), file.at("transformer.h.0.mlp.c_proj.weight").t()));
  EXPECT_TRUE(at::equal(own.at("steps"), at::arange(2)));
}

TEST(TensorTable, LoadSaveAndLoadAgainKeepEveryBit) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  FakeGpt2 first, second;
  const auto file = fake_file();
  load_file_tensors(first, fake_table(), file, 1, /*require_head=*/true);
  nn::write_tensors(path, file_tensors(first, fake_table()));
  const auto written = nn::read_tensors(path);
  ASSERT_EQ(written.size(), file.size());
  for (const auto& [name, value] : file) EXPECT_TRUE(at::equal(written.at(name), value)) << name;
  const auto report = load_file_tensors(second, fake_table(), written, 2, /*require_head=*/true);
  EXPECT_TRUE(report.initialised.empty() && report.surplus.empty());
  const auto own = first.own_tensors();
  for (const auto& [name, value] : second.own_tensors()) EXPECT_TRUE(at::equal(value, own.at(name))) << name;
}

TEST(TensorTable, WrongShapesAreNamedAsTheFileHasThem) {
  auto file = fake_file();
  file["transformer.h.0.attn.c_attn.weight"] = wave({3 * kHidden, kHidden}, 0);
  EXPECT_EQ(refusal(file), "transformer.h.0.attn.c_attn.weight: expected shape [4, 12], got [12, 4]");
  file["transformer.h.0.attn.c_attn.weight"] = wave({kHidden, 2 * kHidden}, 0);
  file["transformer.h.0.attn.c_attn.bias"] = wave({2 * kHidden}, 0);
  EXPECT_EQ(refusal(file),
            "transformer.h.0.attn.c_attn.bias: expected shape [12], got [8]; "
            "transformer.h.0.attn.c_attn.weight: expected shape [4, 12], got [4, 8]");
}

TEST(TensorTable, MissingTensorsAndWrongDtypesAreEachNamed) {
  auto file = fake_file();
  file.erase("transformer.h.0.attn.c_attn.bias");
  file.erase("score.weight");
  file["transformer.wte.weight"] = at::zeros({kWords, kHidden}, at::kLong);
  file["transformer.steps"] = at::zeros({2});
  EXPECT_EQ(
      refusal(file),
      "score.weight: missing; transformer.h.0.attn.c_attn.bias: missing; transformer.steps: expected integer "
      "values, got Float; transformer.wte.weight: expected floating point values, got Long");
}

TEST(TensorTable, PrefixIsOptionalAndTheHeadIsDrawn) {
  nn::NamedTensors file;
  for (const auto& [name, value] : fake_file())
    if (name.starts_with("transformer.")) file[name.substr(std::string("transformer.").size())] = value;
  file["h.0.attn.masked_bias"] = at::zeros({});
  file["h.1.attn.c_attn.bias"] = at::zeros({1});
  FakeGpt2 model, again;
  const auto report = load_file_tensors(model, fake_table(), file, 5, /*require_head=*/false);
  EXPECT_EQ(report.initialised, (std::vector<std::string>{"score.weight"}));
  EXPECT_EQ(report.surplus, (std::vector<std::string>{"h.1.attn.c_attn.bias"}));
  load_file_tensors(again, fake_table(), file, 5, /*require_head=*/false);
  const auto head = model.own_tensors().at("head_weight");
  EXPECT_TRUE(at::equal(head, again.own_tensors().at("head_weight")));
  EXPECT_GT(head.abs().min().item<float>(), 0);
}

TEST(TensorTable, OlderNamesAreFoundWithThePrefixAndWithout) {
  auto table = fake_table();
  table.older_names = {{"wte.weight", "wte.gamma"}};
  for (const std::string prefix : {"transformer.", ""}) {
    auto file = fake_file();
    auto words = file.extract("transformer.wte.weight");
    words.key() = prefix + "wte.gamma";
    file.insert(std::move(words));
    FakeGpt2 model;
    const auto report = load_file_tensors(model, table, file, 1, /*require_head=*/true);
    EXPECT_TRUE(report.surplus.empty());
    EXPECT_TRUE(at::equal(model.named_parameters()["words"], fake_file().at("transformer.wte.weight")));
  }
}

TEST(TensorTable, AValueThatIsNotFiniteIsNamedWithItsPlace) {
  auto file = fake_file();
  file["score.weight"][1][2] = std::numeric_limits<float>::quiet_NaN();
  file["transformer.h.0.attn.c_attn.bias"][3] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(refusal(file),
            "score.weight: expected finite values, got nan as value 6 of 12; "
            "transformer.h.0.attn.c_attn.bias: expected finite values, got inf as value 3 of 12");
  file = fake_file();
  file["score.weight"] = at::full({kLabels, kHidden}, 1e300, at::kDouble);
  EXPECT_EQ(refusal(file), "score.weight: expected finite values, got 1e+300 as value 0 of 12")
      << "more than a float32 holds";
  file = fake_file();
  file["unused"] = at::full({1}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(refusal(file), "accepted");
}

TEST(TensorTable, TensorsOfAnotherShapeAreDrawnWhereThatIsAsked) {
  auto file = fake_file();
  file["score.weight"] = wave({kLabels + 2, kHidden}, 0.5);
  FakeGpt2 model, missing;
  const auto report = load_file_tensors(model, fake_table(), file, 5, /*require_head=*/false,
                                        /*ignore_mismatched_sizes=*/true);
  EXPECT_EQ(report.resized, (std::vector<std::string>{"score.weight"}));
  EXPECT_TRUE(report.initialised.empty() && report.surplus.empty());
  file.erase("score.weight");
  load_file_tensors(missing, fake_table(), file, 5, /*require_head=*/false);
  EXPECT_TRUE(at::equal(model.own_tensors().at("head_weight"), missing.own_tensors().at("head_weight")))
      << "as if it were missing";
}

TEST(TensorTable, BackboneIsDrawnAsItsRulesSay) {
  FakeGpt2 model;
  const auto backbone = initialise_backbone(model, fake_table(), 3);
  EXPECT_FALSE(backbone.contains("score.weight"));
  const auto own = model.named_parameters();
  EXPECT_TRUE(at::equal(own["key_bias"], at::ones({kHidden})));
  EXPECT_TRUE(at::equal(own["words"], own["scores"]));
  EXPECT_GT(own["value_weight"].abs().min().item<float>(), 0);
  EXPECT_TRUE(at::equal(own["output_weight"], at::zeros({kHidden, 2 * kHidden})));
  EXPECT_TRUE(at::equal(backbone.at("transformer.h.0.attn.c_attn.weight").slice(1, 0, kHidden).t(),
                        own["query_weight"]));
}

TEST(TensorTable, NamesOfPartsDiffer) {
  EXPECT_EQ(file_name(fake_table(), "key_weight"), "transformer.h.0.attn.c_attn.weight[1]");
  EXPECT_EQ(file_name(fake_table(), "head_weight"), "score.weight");
  EXPECT_THROW(file_name(fake_table(), "no such tensor"), c10::Error);
}

TEST(TensorTable, MustDescribeTheModel) {
  FakeGpt2 model;
  auto incomplete = fake_table();
  incomplete.rules.pop_back();
  EXPECT_THROW(file_tensors(model, incomplete), c10::Error);
  auto unknown = fake_table();
  unknown.rules.back().own = "no such tensor";
  EXPECT_THROW(file_tensors(model, unknown), c10::Error);
  auto twice = fake_table();
  twice.rules.at(0).part = 1;
  EXPECT_THROW(file_tensors(model, twice), c10::Error);
  auto untied = fake_table();
  untied.rules.back().file = "score.weight";
  EXPECT_THROW(file_tensors(model, untied), c10::Error);
}

}  // namespace tensor_table_test
}  // namespace vcas::models::hugging_face
