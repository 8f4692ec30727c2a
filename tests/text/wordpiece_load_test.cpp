#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "text/wordpiece.h"
#include "vcas/formats/error.h"

namespace vcas::text {
namespace wordpiece_load_test {

using nlohmann::json;

class WordPieceFolder : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name) << content;
  }
  void write(const json& tokenizer) { write("tokenizer.json", tokenizer.dump()); }
  /// A tokenizer that is followed as it stands.
  void write_fast(const json& tokenizer) {
    write(tokenizer);
    write("tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})");
  }

  /// The message of the refusal, without the folder's path.
  std::string refusal() {
    try {
      WordPiece::from_folder(folder_);
    } catch (const formats::InputError& error) {
      std::string message = error.what();
      if (message.starts_with(folder_.string())) message.erase(0, folder_.string().size() + 1);
      return message;
    }
    return "accepted";
  }

  std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) /
                                  testing::UnitTest::GetInstance()->current_test_info()->name();
};

json step(const char* kind, const char* id, int type) { return {{kind, {{"id", id}, {"type_id", type}}}}; }

json tokenizer_json() {
  const json cls = step("SpecialToken", "[CLS]", 0), sep = step("SpecialToken", "[SEP]", 0);
  const json a = step("Sequence", "A", 0);
  return {
      {"truncation", {{"max_length", 2}}},
      {"padding", {{"strategy", {{"Fixed", 128}}}}},
      {"added_tokens", {{{"id", 2}, {"content", "[SEP]"}, {"special", true}, {"normalized", false}}}},
      {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", false}, {"strip_accents", nullptr}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {cls, a, sep}},
        {"pair", {cls, a, sep, step("Sequence", "B", 1), step("SpecialToken", "[SEP]", 1)}},
        {"special_tokens", {{"[CLS]", {{"ids", {1}}}}, {"[SEP]", {{"ids", {2}}}}}}}},
      {"model", {{"type", "WordPiece"}, {"vocab", {{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}, {"Word", 3}}}}}};
}

TEST_F(WordPieceFolder, ReadsTokenizerJsonAndIgnoresItsTruncationAndPadding) {
  write_fast(tokenizer_json());
  const auto tokenizer = WordPiece::from_folder(folder_);
  EXPECT_EQ(WordPieceEncoder(tokenizer).encode("Word word[SEP]", 100).ids,
            (std::vector<int32_t>{1, 3, 0, 2, 2}));
  EXPECT_EQ(tokenizer.vocabulary_size(), 4);
}

TEST_F(WordPieceFolder, TakesOnlyTheVocabularyOfABertTokenizersJson) {
  write(tokenizer_json());  // cased, which its configuration does not say
  testing::internal::CaptureStderr();
  const auto tokenizer = WordPiece::from_folder(folder_);
  const std::string warning = testing::internal::GetCapturedStderr();
  EXPECT_NE(warning.find("not followed: normalizer.strip_accents (false), normalizer.lowercase (false)"),
            std::string::npos)
      << warning;
  EXPECT_EQ(WordPieceEncoder(tokenizer).encode("Word", 100).ids, (std::vector<int32_t>{1, 0, 2}))
      << "lower-cased, and not in the vocabulary";
  EXPECT_EQ(tokenizer.vocabulary_size(), 6) << "[PAD] and [MASK] are added";
}

TEST_F(WordPieceFolder, ReadsBertProcessingToo) {
  auto content = tokenizer_json();
  content["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"[SEP]", 2}}, {"cls", {"[CLS]", 1}}};
  write_fast(content);
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(WordPieceFolder, ReadsAVocabularyFileWithItsConfiguration) {
  write("vocab.txt", "[PAD]\r\n[UNK]\n<s>\n[SEP]\n[MASK]\nWord");
  write("tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer", "do_lower_case": false,
                                     "cls_token": {"__type": "AddedToken", "content": "<s>"},
                                     "added_tokens_decoder":
                                     {"9": {"content": "<new>", "special": false, "normalized": false}}})");
  const auto tokenizer = WordPiece::from_folder(folder_);
  EXPECT_EQ(WordPieceEncoder(tokenizer).encode("Word word<new>", 100).ids,
            (std::vector<int32_t>{2, 5, 1, 6, 3}))
      << "<new> has the next id, not the one that the file gives it";
  EXPECT_EQ(tokenizer_files(folder_).size(), 2u);
}

TEST_F(WordPieceFolder, RefusesAFolderWithoutTokenizer) {
  EXPECT_NE(refusal().find("expected tokenizer.json or vocab.txt (WordPiece), found neither"),
            std::string::npos);
  write("merges.txt", "");
  EXPECT_NE(refusal().find("byte-pair encoding is not supported"), std::string::npos);
  write("vocab.txt", "[UNK]");
  write("tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})");
  EXPECT_NE(refusal().find("expected tokenizer.json for a PreTrainedTokenizerFast"), std::string::npos);
}

TEST_F(WordPieceFolder, RefusesOtherKindsOfTokenizer) {
  auto content = tokenizer_json();
  content["model"]["type"] = "BPE";
  write(content);
  EXPECT_EQ(refusal(),
            "tokenizer.json: key 'model.type': expected 'WordPiece' (nothing else is supported), got 'BPE'");
  content = tokenizer_json();
  content["normalizer"]["type"] = "NFC";
  write_fast(content);
  EXPECT_NE(refusal().find("key 'normalizer.type': expected 'BertNormalizer'"), std::string::npos);
  content = tokenizer_json();
  content["post_processor"]["single"].push_back(step("SpecialToken", "[SEP]", 0));
  write_fast(content);
  EXPECT_NE(refusal().find("key 'post_processor.single': expected BERT's [CLS] A [SEP]"), std::string::npos);
  content = tokenizer_json();
  content["post_processor"]["pair"][3]["Sequence"]["type_id"] = 0;
  write_fast(content);
  EXPECT_NE(refusal().find("key 'post_processor.pair': expected BERT's"), std::string::npos);
}

TEST_F(WordPieceFolder, NamesTheFileThatNamesAnotherClass) {
  write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
  write("config.json", R"({"tokenizer_class": "BertJapaneseTokenizer"})");
  const auto message = refusal();
  EXPECT_TRUE(message.starts_with("config.json: key 'tokenizer_class': expected a WordPiece tokenizer"))
      << message;
  EXPECT_TRUE(message.ends_with("got 'BertJapaneseTokenizer'")) << message;
  write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizerFast"})");
  EXPECT_TRUE(refusal().starts_with("tokenizer_config.json: key 'tokenizer_class'")) << refusal();
  write("tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer"})");
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(WordPieceFolder, RefusesMissingVocabularyAndSpecialTokens) {
  auto content = tokenizer_json();
  content["model"].erase("vocab");
  write(content);
  EXPECT_NE(refusal().find("key 'model.vocab'"), std::string::npos);
  content = tokenizer_json();
  content["model"]["vocab"].erase("[UNK]");
  write(content);
  EXPECT_EQ(refusal(), "tokenizer.json: expected the unk_token '[UNK]' in the vocabulary");
  content = tokenizer_json();
  content["model"]["vocab"]["Word"] = "3";
  write(content);
  EXPECT_NE(refusal().find("key 'model.vocab.Word': expected an integer"), std::string::npos);
  content = tokenizer_json();
  content["version"] = "2.0";
  write(content);
  EXPECT_EQ(refusal(),
            "tokenizer.json: key 'version': expected '1.0' (the only version of the format), got '2.0'");
  content = tokenizer_json();
  content["post_processor"]["special_tokens"]["[CLS]"]["ids"] = {3};
  write_fast(content);
  EXPECT_NE(refusal().find("key 'post_processor.special_tokens': expected the id of [CLS] to be 1"),
            std::string::npos);
}

TEST_F(WordPieceFolder, RefusesABadVocabularyFile) {
  write("vocab.txt", "[PAD]\n[unk]\n[CLS]\n[SEP]\n[MASK]\n");
  EXPECT_EQ(refusal(), "vocab.txt: expected the unk_token '[UNK]' in the vocabulary");
  write("vocab.txt", "");
  EXPECT_NE(refusal().find("expected a token a line, got an empty file"), std::string::npos);
  write("vocab.txt", "ok\n\xff\n");
  EXPECT_NE(refusal().find("vocab.txt:2: expected UTF-8"), std::string::npos);
}

TEST_F(WordPieceFolder, NamesFileAndKeyOfABadValue) {
  write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
  const auto config_refusal = [&](const std::string& config) {
    write("tokenizer_config.json", config);
    return refusal();
  };
  EXPECT_EQ(config_refusal(R"({"do_lower_case": "yes"})"),
            "tokenizer_config.json: key 'do_lower_case': expected true or false, got 'yes'");
  EXPECT_EQ(config_refusal(R"({"truncation_side": "middle"})"),
            "tokenizer_config.json: key 'truncation_side': expected 'left' or 'right', got 'middle'");
  EXPECT_EQ(config_refusal(R"({"model_input_names": null})"),
            "tokenizer_config.json: key 'model_input_names': expected a list of names, got null");
  EXPECT_NE(config_refusal(R"({"added_tokens_decoder": {"x": {"content": "y"}}})")
                .find("key 'added_tokens_decoder.x': expected an id as key"),
            std::string::npos);
  EXPECT_NE(config_refusal(R"({"mask_token": 5})").find("key 'mask_token': expected a token"),
            std::string::npos);
  EXPECT_NE(config_refusal(R"({"additional_special_tokens": ["a", 5]})")
                .find("key 'additional_special_tokens': expected a token"),
            std::string::npos);
  write("tokenizer_config.json", "{}");
  write("special_tokens_map.json", R"({"cls_token": null})");
  EXPECT_EQ(refusal(), "special_tokens_map.json: key 'cls_token': expected a token, got null");
  write("special_tokens_map.json", "{}");
  write("added_tokens.json", R"({"[NEW]": "5"})");
  EXPECT_TRUE(refusal().starts_with("added_tokens.json: key '[NEW]': expected an integer")) << refusal();
}

}  // namespace wordpiece_load_test
}  // namespace vcas::text
