#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "formats/file.h"
#include "formats/utf8.h"
#include "text/wordpiece.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

namespace vcas::text {
namespace {

using formats::InputError;
using formats::JsonObject;

constexpr int64_t kLargestId = std::numeric_limits<int32_t>::max() - 1;

std::optional<bool> optional_boolean(const JsonObject& object, std::string_view key) {
  return object.has(key) ? std::optional(object.boolean(key)) : std::nullopt;
}

void require_type(const JsonObject& object, std::string_view type) {
  if (object.string("type") != type)
    object.fail("type", "'" + std::string(type) + "' (nothing else is supported)");
}

AddedToken read_added_token(const JsonObject& token, int64_t id) {
  const bool special = token.boolean_or("special", false);
  return {.content = token.string("content"),
          .id = static_cast<int32_t>(id),
          .single_word = token.boolean_or("single_word", false),
          .lstrip = token.boolean_or("lstrip", false),
          .rstrip = token.boolean_or("rstrip", false),
          .normalized = token.boolean_or("normalized", !special)};
}

Vocabulary read_vocabulary(const JsonObject& model) {
  const JsonObject entries = model.object("vocab");
  if (entries.json().empty()) model.fail("vocab", "at least one token");
  Vocabulary vocabulary;
  vocabulary.reserve(entries.json().size());
  for (const auto& [token, id] : entries.json().items()) {
    vocabulary.emplace(token, static_cast<int32_t>(entries.integer(token, 0, kLargestId)));
  }
  return vocabulary;
}

/// An added token that the vocabulary lacks gets the next free id, whatever id the file has for it.
std::vector<AddedToken> read_added_tokens(const JsonObject& root, const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  if (!root.has("added_tokens")) return tokens;
  const nlohmann::json& list = root.value("added_tokens");
  if (!list.is_array()) root.fail("added_tokens", "an array");
  auto next_id = static_cast<int64_t>(vocabulary.size());
  for (const nlohmann::json& entry : list) {
    const JsonObject object(entry, root.source() + ": added_tokens[" + std::to_string(tokens.size()) + "]");
    AddedToken token = read_added_token(object, object.integer("id", 0, kLargestId));
    const auto known = vocabulary.find(token.content);
    token.id = known != vocabulary.end() ? known->second : static_cast<int32_t>(next_id);
    next_id = std::max(next_id, int64_t{token.id} + 1);
    tokens.push_back(std::move(token));
  }
  return tokens;
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

/// A special token and the id that the post-processor writes for it.
struct SpecialToken {
  std::string content;
  int64_t id = 0;
};

SpecialToken read_bert_processing(const JsonObject& processor, std::string_view key) {
  const nlohmann::json& value = processor.value(key);
  if (!value.is_array() || value.size() != 2 || !value[0].is_string() || !value[1].is_number_integer()) {
    processor.fail(key, "[token, id]");
  }
  return {value[0].get<std::string>(), value[1].get<int64_t>()};
}

SpecialToken read_template_token(const JsonObject& processor, const std::string& name) {
  const JsonObject token = processor.object("special_tokens").object(name);
  const nlohmann::json& ids = token.value("ids");
  if (!ids.is_array() || ids.size() != 1 || !ids[0].is_number_integer()) token.fail("ids", "one id");
  return {name, ids[0].get<int64_t>()};
}

/// [CLS] and [SEP] as the post-processor has them, which must be BERT's.
std::pair<SpecialToken, SpecialToken> read_post_processor(const JsonObject& processor) {
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

void require_id(const JsonObject& processor, const WordPiece& tokenizer, const SpecialToken& token) {
  const int64_t id = tokenizer.token_id(token.content).value();
  if (id == token.id) return;
  processor.fail("special_tokens",
                 "the id of " + token.content + " to be " + std::to_string(id) + " as in the vocabulary");
}

WordPiece make(const std::string& source, const Vocabulary& vocabulary, WordPieceOptions options,
               std::vector<AddedToken> added_tokens) {
  try {
    return WordPiece(vocabulary, std::move(options), std::move(added_tokens));
  } catch (const std::invalid_argument& error) {
    throw InputError(source, error.what());
  }
}

WordPiece from_tokenizer_json(const std::filesystem::path& path) {
  const nlohmann::json json = formats::read_json(path);
  const JsonObject root(json, path.string());
  const JsonObject model = root.object("model");
  require_type(model, "WordPiece");
  require_type(root.object("pre_tokenizer"), "BertPreTokenizer");
  const JsonObject normalizer = root.object("normalizer");
  require_type(normalizer, "BertNormalizer");
  WordPieceOptions options;
  options.clean_text = normalizer.boolean_or("clean_text", true);
  options.handle_chinese_chars = normalizer.boolean_or("handle_chinese_chars", true);
  options.strip_accents = optional_boolean(normalizer, "strip_accents");
  options.lowercase = normalizer.boolean_or("lowercase", true);
  options.unk_token = model.string_or("unk_token", options.unk_token);
  options.continuing_subword_prefix =
      model.string_or("continuing_subword_prefix", options.continuing_subword_prefix);
  options.max_input_chars_per_word = model.integer_or("max_input_chars_per_word", 100, 0);
  const JsonObject processor = root.object("post_processor");
  const auto [cls, sep] = read_post_processor(processor);
  options.cls_token = cls.content;
  options.sep_token = sep.content;
  const Vocabulary vocabulary = read_vocabulary(model);
  std::vector<AddedToken> added_tokens = read_added_tokens(root, vocabulary);
  WordPiece tokenizer = make(path.string(), vocabulary, options, std::move(added_tokens));
  require_id(processor, tokenizer, cls);
  require_id(processor, tokenizer, sep);
  return tokenizer;
}

Vocabulary read_vocabulary_lines(const std::filesystem::path& path) {
  const std::string bytes = formats::read_file(path);
  formats::require_utf8(bytes, path.string());
  Vocabulary vocabulary;
  int32_t id = 0;
  for (std::size_t begin = 0; begin < bytes.size(); ++id) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    std::string token = bytes.substr(begin, end - begin);
    if (token.ends_with('\r')) token.pop_back();
    vocabulary[std::move(token)] = id;
    begin = end + 1;
  }
  if (vocabulary.empty()) throw InputError(path.string(), "expected a token a line, got an empty file");
  return vocabulary;
}

/// A special token's text: a string, or an object with `content`.
std::string special_token(const JsonObject& config, std::string_view key, std::string fallback) {
  if (!config.has(key)) return fallback;
  return config.value(key).is_object() ? config.object(key).string("content") : config.string(key);
}

int64_t parse_id(const JsonObject& object, const std::string& text) {
  int64_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id < 0 || id > kLargestId) {
    object.fail(text, "an id as key");
  }
  return id;
}

/// Special tokens that the vocabulary has, and added_tokens_decoder.
std::vector<AddedToken> read_config_tokens(const JsonObject& config, const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  if (config.has("added_tokens_decoder")) {
    const JsonObject decoder = config.object("added_tokens_decoder");
    for (const auto& [id, value] : decoder.json().items()) {
      tokens.push_back(read_added_token(decoder.object(id), parse_id(decoder, id)));
    }
  }
  for (const auto& [key, fallback] : {std::pair{"unk_token", "[UNK]"},
                                      {"sep_token", "[SEP]"},
                                      {"pad_token", "[PAD]"},
                                      {"cls_token", "[CLS]"},
                                      {"mask_token", "[MASK]"}}) {
    const std::string content = special_token(config, key, fallback);
    const auto known = [&](const AddedToken& token) { return token.content == content; };
    const auto entry = vocabulary.find(content);
    if (entry == vocabulary.end() && std::ranges::none_of(tokens, known)) {
      throw InputError(config.source(), "key '" + std::string(key) +
                                            "': expected a token of vocab.txt, got '" + content + "'");
    }
    if (std::ranges::none_of(tokens, known)) tokens.push_back({.content = content, .id = entry->second});
  }
  return tokens;
}

WordPiece from_vocabulary(const std::filesystem::path& folder) {
  const auto config_path = folder / "tokenizer_config.json";
  const nlohmann::json json =
      std::filesystem::exists(config_path) ? formats::read_json(config_path) : nlohmann::json::object();
  const JsonObject config(json, config_path.string());
  if (config.has("tokenizer_class")) {
    const std::string name = config.string("tokenizer_class");
    if (name != "BertTokenizer" && name != "BertTokenizerFast") {
      config.fail("tokenizer_class",
                  "'BertTokenizer' or 'BertTokenizerFast' (no other tokenizer is supported)");
    }
  }
  WordPieceOptions options;
  options.lowercase = config.boolean_or("do_lower_case", true);
  options.handle_chinese_chars = config.boolean_or("tokenize_chinese_chars", true);
  options.strip_accents = optional_boolean(config, "strip_accents");
  options.unk_token = special_token(config, "unk_token", options.unk_token);
  options.cls_token = special_token(config, "cls_token", options.cls_token);
  options.sep_token = special_token(config, "sep_token", options.sep_token);
  const auto path = folder / "vocab.txt";
  const Vocabulary vocabulary = read_vocabulary_lines(path);
  std::vector<AddedToken> added_tokens = read_config_tokens(config, vocabulary);
  return make(path.string(), vocabulary, options, std::move(added_tokens));
}

}  // namespace

WordPiece WordPiece::from_folder(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "tokenizer.json"))
    return from_tokenizer_json(folder / "tokenizer.json");
  if (std::filesystem::exists(folder / "vocab.txt")) return from_vocabulary(folder);
  const bool byte_pair = std::filesystem::exists(folder / "merges.txt");
  throw InputError(folder.string(),
                   std::string("expected tokenizer.json or vocab.txt (WordPiece), found ") +
                       (byte_pair ? "merges.txt: byte-pair encoding is not supported" : "neither"));
}

}  // namespace vcas::text
