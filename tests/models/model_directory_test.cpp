#include "vcas/models/hugging_face/model_directory.h"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "models/small_bert.h"
#include "support/temporary_folder.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"
#include "vcas/nn/tensor_file.h"

namespace vcas::models::hugging_face {
namespace model_directory_test {

namespace fs = std::filesystem;

class ModelFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nword\n");
    nn::write_tensors(path() / "model.safetensors",
                      initial_bert_backbone(models::testing::small_config(), 7));
    write_config();
  }

  void write_config(const nlohmann::json& changes = nlohmann::json::object()) {
    nlohmann::json config = {{"model_type", "bert"},   {"vocab_size", 500},        {"hidden_size", 32},
                             {"num_hidden_layers", 2}, {"num_attention_heads", 4}, {"intermediate_size", 64},
                             {"num_labels", 4},        {"torch_dtype", "float16"}, {"another_key", "kept"}};
    config.update(changes);
    folder_.write("config.json", config.dump());
  }

  const fs::path& path() const { return folder_.path(); }

  TemporaryFolder folder_;
};

TEST_F(ModelFolder, SavedModelsAreReadBackBitForBit) {
  const std::vector<std::string> labels = {"no", "yes", "perhaps"};
  const auto directory = read_model_directory(path());
  const auto model = load_text_classifier(directory, labels, 3, /*require_head=*/false);
  const TemporaryFolder saved;
  save_text_classifier(directory, *model, labels, saved.path());
  const auto again = read_model_directory(saved.path());
  EXPECT_EQ(again.labels, labels);
  EXPECT_EQ(again.bert_config().num_labels, 3);
  EXPECT_EQ(again.config["another_key"], "kept");
  EXPECT_EQ(again.config["torch_dtype"], "float32");
  EXPECT_FALSE(again.config.contains("num_labels"));
  EXPECT_EQ(again.tokenizer_files, directory.tokenizer_files);
  const auto restored = load_text_classifier(again, again.labels, 4, /*require_head=*/true);
  const auto tensors = model->own_tensors();
  for (const auto& [name, value] : restored->own_tensors())
    EXPECT_TRUE(at::equal(value, tensors.at(name))) << name;
}

TEST_F(ModelFolder, WeightsAreReadBackIntoAModel) {
  const auto directory = read_model_directory(path());
  const auto model = load_text_classifier(directory, {"no", "yes"}, 3, /*require_head=*/false);
  const TemporaryFolder saved;
  save_text_classifier(directory, *model, {"no", "yes"}, saved.path());
  const auto other = load_text_classifier(directory, {"no", "yes"}, 4, /*require_head=*/false);
  const auto tensors = model->own_tensors(), others = other->own_tensors();
  EXPECT_FALSE(at::equal(others.at("head.classifier_weight"), tensors.at("head.classifier_weight")));
  load_weights(*other, saved.path());
  for (const auto& [name, value] : others) EXPECT_TRUE(at::equal(value, tensors.at(name))) << name;
}

TEST_F(ModelFolder, KnowsItsLongestText) {
  EXPECT_EQ(read_model_directory(path()).longest_text(), 512);
  write_config({{"max_position_embeddings", 64}});
  EXPECT_EQ(read_model_directory(path()).longest_text(), 64);
}

TEST_F(ModelFolder, LabelsHaveHuggingFacesNamesWhereNoneAreGiven) {
  EXPECT_EQ(read_model_directory(path()).labels_or_default(),
            (std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"}));
  write_config({{"id2label", {{"0", "no"}, {"1", "yes"}}}});
  EXPECT_EQ(read_model_directory(path()).labels_or_default(), (std::vector<std::string>{"no", "yes"}));
  write_config({{"id2label", {{"0", 0}, {"1", 1}}}});
  EXPECT_EQ(read_model_directory(path()).labels_or_default(), (std::vector<std::string>{"0", "1"}));
  write_config({{"id2label", nullptr}});
  EXPECT_EQ(read_model_directory(path()).labels_or_default().size(), 4U);
}

TEST_F(ModelFolder, LabelsAreReadAsPythonReadsThem) {
  const auto labels = [&](const std::string& names) {
    write_config({{"id2label", nlohmann::json::parse(names)}});
    return read_model_directory(path()).labels;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(labels(R"({"0": false, "1": true})"), (Names{"False", "True"}));
  EXPECT_EQ(labels(R"({"0": 1.0, "1": -2})"), (Names{"1.0", "-2"}));
  EXPECT_EQ(labels(R"({"00": "a", "+1": "b"})"), (Names{"a", "b"}));
  EXPECT_EQ(labels(R"({"1": "a", "2": "b"})"), (Names{"LABEL_0", "a"}));
  for (const auto* names :
       {R"({"a": "x", "1": "y"})", R"({"+-1": "x", "1": "y"})", R"({"0": "x", "00": "y"})",
        R"({"0": ["x"], "1": "y"})", R"({"0": null, "1": "y"})"}) {
    EXPECT_THROW(labels(names), formats::InputError) << names;
  }
}

TEST_F(ModelFolder, HeadHasDefaultLabelsWhereNoneAreGiven) {
  const auto base = read_model_directory(path());
  EXPECT_TRUE(base.head_labels().empty()) << "no head";
  const TemporaryFolder saved;
  save_text_classifier(base, *load_text_classifier(base, {"no", "yes"}, 3, /*require_head=*/false),
                       {"no", "yes"}, saved.path());
  auto directory = read_model_directory(saved.path());
  EXPECT_EQ(directory.head_labels(), (std::vector<std::string>{"no", "yes"}));
  directory.labels.clear();
  directory.config.erase("id2label");
  EXPECT_EQ(directory.head_labels(), (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
}

TEST_F(ModelFolder, HasNoClassesWhereItsHeadIsOfAnotherKind) {
  const auto refusal = [&](const nlohmann::json& changes) -> std::string {
    write_config(changes);
    try {
      read_model_directory(path()).labels_or_default();
    } catch (const formats::InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  for (const std::string type : {"regression", "multi_label_classification"}) {
    const auto message = refusal({{"problem_type", type}});
    EXPECT_NE(message.find("config.json: key 'problem_type': expected 'single_label_classification'"),
              std::string::npos)
        << message;
    EXPECT_TRUE(message.ends_with("got '" + type + "'")) << message;
  }
  EXPECT_NE(refusal({{"problem_type", "ranking"}}).find("got 'ranking'"), std::string::npos);
  EXPECT_NE(refusal({{"num_labels", 1}}).find("key 'num_labels': expected at least two classes"),
            std::string::npos);
  EXPECT_NE(refusal({{"id2label", {{"0", "score"}}}}).find("key 'id2label': expected at least two classes"),
            std::string::npos);
  EXPECT_EQ(refusal({{"problem_type", "single_label_classification"}}), "accepted");
  EXPECT_EQ(refusal({{"problem_type", ""}}), "accepted");
}

TEST_F(ModelFolder, ReplacesAnotherProblemTypeInTrainingAndSaysSo) {
  write_config({{"problem_type", "regression"}, {"num_labels", 1}});
  const auto directory = read_model_directory(path());
  ::testing::internal::CaptureStderr();
  const auto model = load_text_classifier(directory, {"no", "yes"}, 3, /*require_head=*/false);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find(
                "problem_type 'regression' is replaced by 'single_label_classification'"),
            std::string::npos);
  EXPECT_EQ(classifier_config(directory.config, {"no", "yes"})["problem_type"],
            "single_label_classification");
}

TEST_F(ModelFolder, DrawsAHeadOfOtherClassesOnlyWhereThatIsAsked) {
  const auto base = read_model_directory(path());
  const TemporaryFolder saved;
  save_text_classifier(base, *load_text_classifier(base, {"no", "yes"}, 3, /*require_head=*/false),
                       {"no", "yes"}, saved.path());
  const auto directory = read_model_directory(saved.path());
  const std::vector<std::string> labels = {"a", "b", "c"};
  try {
    load_text_classifier(directory, labels, 1, /*require_head=*/false);
    FAIL() << "accepted";
  } catch (const formats::InputError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("classifier.weight: expected shape [3, 32], got [2, 32]"), std::string::npos);
    EXPECT_NE(message.find("--ignore_mismatched_sizes"), std::string::npos) << message;
  }
  ::testing::internal::CaptureStderr();
  const auto model = load_text_classifier(directory, labels, 1, /*require_head=*/false, true);
  const auto said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("initialised from the seed: classifier.bias, classifier.weight"), std::string::npos)
      << said;
  EXPECT_EQ(model->label_count(), 3);
}

TEST_F(ModelFolder, MayHaveATokenizerWithMoreTokensThanTheModel) {
  write_config({{"vocab_size", 5}});
  EXPECT_EQ(read_model_directory(path()).tokenizer->vocabulary_size(), 6);
}

TEST_F(ModelFolder, NamesTheFileOfTensorsThatDoNotFit) {
  const auto directory = read_model_directory(path());
  try {
    load_text_classifier(directory, {"no", "yes"}, 0, /*require_head=*/true);
    FAIL() << "accepted";
  } catch (const formats::InputError& error) {
    EXPECT_EQ(std::string(error.what()),
              (path() / "model.safetensors").string() +
                  ": bert.pooler.dense.bias: missing; bert.pooler.dense.weight: missing; "
                  "classifier.bias: missing; classifier.weight: missing");
  }
}

TEST_F(ModelFolder, RefusesAPathThatIsNoFolder) {
  EXPECT_THROW(read_model_directory(path() / "config.json"), formats::InputError);
  EXPECT_THROW(read_model_directory(path() / "nowhere"), formats::InputError);
}

}  // namespace model_directory_test
}  // namespace vcas::models::hugging_face
