#include "text/tokenizer_json.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

namespace vcas::text {
namespace {

using formats::JsonObject;

constexpr int64_t kLargestId = std::numeric_limits<int32_t>::max() - 1;
constexpr const char* kBertNormalizer = "BertNormalizer";

std::optional<bool> optional_boolean(const JsonObject& object, std::string_view key) {
  return object.has(key) ? std::optional(object.boolean(key)) : std::nullopt;
}

void require_type(const JsonObject& object, std::string_view type) {
  if (object.string("type") != type)
    object.fail("type", "'" + std::string(type) + "' (nothing else is supported)");
}

void require_version(const JsonObject& root) {
  if (root.json().contains("version") && root.json()["version"] != "1.0")
    root.fail("version", "'1.0' (the only version of the format)");
}

/// Steps of a template: a special token's name, or "A" or "B", each with its token type.
using Template = std::vector<std::pair<std::string, int64_t>>;

Template read_template(const JsonObject& processor, std::string_view key) {
  const nlohmann::json& steps = processor.value(key);
  if (!steps.is_array()) processor.fail(key, "an array");
  Template result;
  for (const nlohmann::json& step : steps) {
    const JsonObject outer(step, processor.source() + ": post_processor." + std::string(key));
    const JsonObject inner = outer.object(outer.has("Sequence") ? "Sequence" : "SpecialToken");
    result.emplace_back(inner.string("id"), inner.integer_or("type_id", 0));
  }
  return result;
}

ProcessorToken read_bert_processing(const JsonObject& processor, std::string_view key) {
  const nlohmann::json& value = processor.value(key);
  if (!value.is_array() || value.size() != 2 || !value[0].is_string() || !value[1].is_number_integer()) {
    processor.fail(key, "[token, id]");
  }
  return {value[0].get<std::string>(), value[1].get<int64_t>()};
}

ProcessorToken read_template_token(const JsonObject& processor, const std::string& name) {
  const JsonObject token = processor.object("special_tokens").object(name);
  const nlohmann::json& ids = token.value("ids");
  if (!ids.is_array() || ids.size() != 1 || !ids[0].is_number_integer()) token.fail("ids", "one id");
  return {name, ids[0].get<int64_t>()};
}

/// [CLS] and [SEP] as the post-processor has them, which must be BERT's.
std::pair<ProcessorToken, ProcessorToken> read_post_processor(const JsonObject& processor) {
  if (processor.string("type") == "BertProcessing") {
    return {read_bert_processing(processor, "cls"), read_bert_processing(processor, "sep")};
  }
  require_type(processor, "TemplateProcessing");
  const Template single = read_template(processor, "single");
  if (single.size() != 3) processor.fail("single", "BERT's [CLS] A [SEP]");
  const auto& cls = single.front();
  const auto& sep = single.back();
  if (single != Template{{cls.first, 0}, {"A", 0}, {sep.first, 0}}) {
    processor.fail("single", "BERT's [CLS] A [SEP], token types 0 0 0");
  }
  if (read_template(processor, "pair") !=
      Template{{cls.first, 0}, {"A", 0}, {sep.first, 0}, {"B", 1}, {sep.first, 1}}) {
    processor.fail("pair", "BERT's [CLS] A [SEP] B [SEP], token types 0 0 0 1 1");
  }
  return {read_template_token(processor, cls.first), read_template_token(processor, sep.first)};
}

/// The normalizer's part of the options. @param normalizer of type BertNormalizer.
void read_normalizer(const JsonObject& normalizer, WordPieceOptions& options) {
  options.clean_text = normalizer.boolean_or("clean_text", true);
  options.handle_chinese_chars = normalizer.boolean_or("handle_chinese_chars", true);
  options.strip_accents = optional_boolean(normalizer, "strip_accents");
  options.lowercase = normalizer.boolean_or("lowercase", true);
}

/// The model's part of the options.
void read_model(const JsonObject& model, WordPieceOptions& options) {
  options.unk_token = model.string_or("unk_token", options.unk_token);
  options.continuing_subword_prefix =
      model.string_or("continuing_subword_prefix", options.continuing_subword_prefix);
  options.max_input_chars_per_word =
      model.integer_or("max_input_chars_per_word", options.max_input_chars_per_word, 0);
}

}  // namespace

Vocabulary read_vocabulary(const JsonObject& root) {
  require_version(root);
  const JsonObject model = root.object("model");
  if (model.json().contains("type")) require_type(model, "WordPiece");  // old files lack it
  const JsonObject entries = model.object("vocab");
  if (entries.json().empty()) model.fail("vocab", "at least one token");
  Vocabulary vocabulary;
  vocabulary.reserve(entries.json().size());
  for (const auto& [token, id] : entries.json().items()) {
    vocabulary.emplace(token, static_cast<int32_t>(entries.integer(token, 0, kLargestId)));
  }
  return vocabulary;
}

std::optional<std::string> truncation_side(const JsonObject& root) {
  if (!root.has("truncation")) return std::nullopt;
  const JsonObject truncation = root.object("truncation");
  const std::string side = truncation.string_or("direction", "Right");
  if (side != "Left" && side != "Right") truncation.fail("direction", "'Left' or 'Right'");
  return side == "Left" ? "left" : "right";
}

TokenizerJson read_tokenizer_json(const JsonObject& root) {
  TokenizerJson result;
  const JsonObject model = root.object("model");
  require_type(model, "WordPiece");
  read_model(model, result.options);
  require_type(root.object("pre_tokenizer"), "BertPreTokenizer");
  const JsonObject normalizer = root.object("normalizer");
  require_type(normalizer, kBertNormalizer);
  read_normalizer(normalizer, result.options);
  std::tie(result.cls, result.sep) = read_post_processor(root.object("post_processor"));
  result.options.cls_token = result.cls.content;
  result.options.sep_token = result.sep.content;
  return result;
}

std::vector<std::string> overruled_keys(const JsonObject& root, const WordPieceOptions& followed) {
  std::vector<std::string> keys;
  const auto compare = [&](const std::string& key, const auto& file, const auto& ours) {
    if (file != ours) keys.push_back(key + " (" + nlohmann::json(file).dump() + ")");
  };
  WordPieceOptions file = followed;
  read_model(root.object("model"), file);
  for (const char* key : {"normalizer", "pre_tokenizer"}) {
    if (!root.has(key)) continue;
    const JsonObject part = root.object(key);
    const std::string type = part.string("type");
    if (type == kBertNormalizer) read_normalizer(part, file);
    if (type != kBertNormalizer && type != "BertPreTokenizer")
      keys.push_back(std::string(key) + " (" + type + ")");
  }
  compare("normalizer.clean_text", file.clean_text, followed.clean_text);
  compare("normalizer.handle_chinese_chars", file.handle_chinese_chars, followed.handle_chinese_chars);
  compare("normalizer.strip_accents", file.strip_accents.value_or(file.lowercase),
          followed.strip_accents.value_or(followed.lowercase));
  compare("normalizer.lowercase", file.lowercase, followed.lowercase);
  compare("model.unk_token", file.unk_token, followed.unk_token);
  compare("model.continuing_subword_prefix", file.continuing_subword_prefix,
          followed.continuing_subword_prefix);
  compare("model.max_input_chars_per_word", file.max_input_chars_per_word, followed.max_input_chars_per_word);
  if (root.has("post_processor")) root.object("post_processor").string("type");
  return keys;
}

}  // namespace vcas::text
