#include "tasks/check_texts.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "text/wordpiece.h"
#include "vcas/formats/error.h"

namespace vcas::tasks {
namespace check_texts_test {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

text::WordPiece tokenizer(bool token_types = true) {
  text::WordPieceOptions options;
  options.token_types = token_types;
  return {{{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}, {"dog", 3}, {"cat", 9}}, options, {}};
}

data::TokenizedTexts tokenized(const text::WordPiece& tokenizer, bool pairs = false) {
  data::TextDataset dataset;
  dataset.texts = {"dog", "dog dog", "a cat"};
  if (pairs) dataset.text_pairs = {"dog", "dog", "dog"};
  dataset.labels = {0, 1, 0};
  return {dataset, tokenizer, 32, 1};
}

std::string refusal(const data::TokenizedTexts& texts, int64_t words, int64_t types) {
  models::hugging_face::ModelDirectory directory;
  directory.path = "folder";
  directory.config = {{"model_type", "bert"}, {"vocab_size", words}, {"type_vocab_size", types}};
  try {
    require_embeddings(texts, directory, "evaluation texts");
  } catch (const formats::InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(RequireEmbeddings, NamesTheFirstTextWithATokenThatTheModelLacks) {
  EXPECT_EQ(refusal(tokenized(tokenizer()), 10, 2), "accepted");
  EXPECT_EQ(refusal(tokenized(tokenizer()), 9, 2),
            "folder/config.json: key 'vocab_size': expected more than 9, the id of a token of text 2 of the "
            "evaluation texts (the tokenizer has tokens that the model has no embedding for), got 9");
}

TEST(RequireEmbeddings, RefusesPairsForAModelOfOneTokenType) {
  EXPECT_EQ(refusal(tokenized(tokenizer()), 10, 1), "accepted") << "no pairs";
  EXPECT_EQ(refusal(tokenized(tokenizer(), /*pairs=*/true), 10, 2), "accepted");
  EXPECT_EQ(refusal(tokenized(tokenizer(), /*pairs=*/true), 10, 1),
            "folder/config.json: key 'type_vocab_size': expected at least 2 for the pairs of the evaluation "
            "texts, whose second texts have token type 1, got 1");
  EXPECT_EQ(refusal(tokenized(tokenizer(/*token_types=*/false), /*pairs=*/true), 10, 1), "accepted");
}

TEST(WarnOfModelMaxLength, SaysWhichLengthIsFollowed) {
  models::hugging_face::ModelDirectory directory;
  directory.path = "folder";
  const auto said = [&](const std::string& config, int64_t length) {
    directory.tokenizer_files["tokenizer_config.json"] = config;
    testing::internal::CaptureStderr();
    warn_of_model_max_length(directory, length);
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said(R"({"model_max_length": 64})", 128),
            "vcas: warning: folder/tokenizer_config.json: model_max_length is 64, max_seq_length 128 is "
            "followed\n");
  EXPECT_EQ(said(R"({"model_max_length": 128})", 128), "");
  EXPECT_EQ(said(R"({"model_max_length": 1e30})", 128), "");
  EXPECT_EQ(said("{}", 128), "");
}

std::string fault(const at::Tensor& probabilities, double loss) {
  try {
    require_finite({probabilities, {0, 1, 0}, {0, 1, 0}, loss});
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(RequireFinite, NamesTheFirstTextWhoseResultIsNot) {
  auto probabilities = at::full({3, 2}, 0.5);
  EXPECT_EQ(fault(probabilities, 0.7), "accepted");
  probabilities[1][0] = kNan;
  EXPECT_EQ(
      fault(probabilities, kNan),
      "text 1 (counted from 0): expected a finite result of the model, got probability 0.5 of its class "
      "and loss nan");
  probabilities = at::full({3, 2}, 0.5);
  probabilities[2] = at::tensor({0.0, 1.0});
  EXPECT_EQ(fault(probabilities, 50), "accepted") << "a small probability, rounded";
  EXPECT_EQ(
      fault(probabilities, kInfinity),
      "text 2 (counted from 0): expected a finite result of the model, got probability 0 of its class and "
      "loss inf");
}

}  // namespace check_texts_test
}  // namespace vcas::tasks
