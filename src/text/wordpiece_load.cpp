#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>

#include "formats/file.h"
#include "formats/path_type.h"
#include "formats/utf8.h"
#include "formats/warning.h"
#include "text/added_vocabulary.h"
#include "text/bert_unicode.h"
#include "text/tokenizer_class.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_json.h"
#include "text/wordpiece.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

namespace vcas::text {
namespace {

namespace fs = std::filesystem;
using formats::InputError;
using formats::JsonObject;

constexpr const char* kTokenizerJson = "tokenizer.json";
constexpr const char* kVocabularyFile = "vocab.txt";

/// Roles of a BertTokenizer and their tokens where no file names others.
const std::map<std::string, std::string> kBertRoles = {{"unk_token", "[UNK]"},
                                                       {"sep_token", "[SEP]"},
                                                       {"pad_token", "[PAD]"},
                                                       {"cls_token", "[CLS]"},
                                                       {"mask_token", "[MASK]"}};

WordPiece make(const std::string& source, const Vocabulary& vocabulary, WordPieceOptions options,
               std::vector<AddedToken> added_tokens) {
  try {
    return WordPiece(vocabulary, std::move(options), std::move(added_tokens));
  } catch (const std::invalid_argument& error) {
    throw InputError(source, error.what());
  }
}

/// A line's token: without the white space at its end.
std::string line_token(std::string_view line) {
  std::u32string token = from_utf8(line);
  while (!token.empty() && is_whitespace(token.back())) token.pop_back();
  return to_utf8(token);
}

Vocabulary read_vocabulary_lines(const fs::path& path) {
  const std::string bytes = formats::read_file(path);
  formats::require_utf8(bytes, path.string());
  Vocabulary vocabulary;
  int32_t id = 0;
  for (std::size_t begin = 0; begin < bytes.size(); ++id) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    vocabulary[line_token(std::string_view(bytes).substr(begin, end - begin))] = id;
    begin = end + 1;
  }
  if (vocabulary.empty()) throw InputError(path.string(), "expected a token a line, got an empty file");
  return vocabulary;
}

/// Adds the tokens of the files in Hugging Face's order. @param known added before.
std::vector<AddedToken> add_tokens(AddedVocabulary added, const AddedTokenFiles& files,
                                   std::set<std::string> known) {
  std::set<std::string> with_role;
  for (const auto& [role, token] : files.roles) with_role.insert(token.content);
  const auto add = [&](DeclaredToken token) {
    token.special = token.special || with_role.contains(token.content);
    added.add(token);
  };
  for (const auto& token : files.declared) {
    add(token);
    known.insert(token.content);
  }
  for (const auto& [role, token] : files.roles)
    if (!known.contains(token.content)) add(token);
  for (const auto& token : files.extra)
    if (!known.contains(token.content)) add(token);
  return added.tokens();
}

std::string role_token(const TokenizerConfig& config, const AddedTokenFiles& files, const std::string& role) {
  const auto found = std::ranges::find(files.roles, role, &RoleToken::role);
  if (found == files.roles.end()) config.fail_without_role(role);
  return found->token.content;
}

void warn_of_overruled_keys(const JsonObject& root, const WordPieceOptions& followed) {
  const auto keys = overruled_keys(root, followed);
  if (keys.empty()) return;
  std::string list;
  for (const auto& key : keys) list += (list.empty() ? "" : ", ") + key;
  formats::warn(root.source() + ": not followed: " + list +
                "; as in Hugging Face's BertTokenizer the keys of tokenizer_config.json count, or BERT's "
                "values where it has none");
}

/// What a BertTokenizer takes from its configuration.
WordPieceOptions bert_options(const TokenizerConfig& config, const AddedTokenFiles& tokens,
                              TokenizerClass tokenizer_class) {
  WordPieceOptions options;
  options.lowercase = config.boolean("do_lower_case", true);
  options.handle_chinese_chars = config.boolean("tokenize_chinese_chars", true);
  options.strip_accents = config.strip_accents();
  options.unk_token = role_token(config, tokens, "unk_token");
  options.cls_token = role_token(config, tokens, "cls_token");
  options.sep_token = role_token(config, tokens, "sep_token");
  options.token_types = config.gives_token_types(tokenizer_class == TokenizerClass::bert);
  return options;
}

void read_sides(const TokenizerConfig& config, const std::optional<JsonObject>& root,
                WordPieceOptions& options) {
  config.side("padding_side");  // checked only: texts are packed, not padded
  auto side = config.side("truncation_side");
  if (!side && root) side = truncation_side(*root);
  options.truncate_left = side == "left";
  options.split_special_tokens = config.boolean("split_special_tokens", false);
}

/// A BertTokenizer. @param root of tokenizer.json, or nothing: vocab.txt.
WordPiece bert_tokenizer(const fs::path& folder, const std::optional<JsonObject>& root,
                         TokenizerClass tokenizer_class) {
  const TokenizerConfig config(folder);
  const fs::path file = folder / (root ? kTokenizerJson : kVocabularyFile);
  const Vocabulary vocabulary = root ? read_vocabulary(*root) : read_vocabulary_lines(file);
  const auto tokens = config.added_tokens(root, kBertRoles);
  WordPieceOptions options = bert_options(config, tokens, tokenizer_class);
  read_sides(config, root, options);
  if (!vocabulary.contains(options.unk_token))
    throw InputError(file.string(), "expected the unk_token '" + options.unk_token + "' in the vocabulary");
  if (root) warn_of_overruled_keys(*root, options);
  return make(file.string(), vocabulary, std::move(options),
              add_tokens(AddedVocabulary(vocabulary), tokens, {}));
}

void require_id(const JsonObject& root, const WordPiece& tokenizer, const ProcessorToken& token) {
  const int64_t id = tokenizer.token_id(token.content).value();
  if (id == token.id) return;
  root.object("post_processor")
      .fail("special_tokens",
            "the id of " + token.content + " to be " + std::to_string(id) + " as in the vocabulary");
}

/// A PreTrainedTokenizerFast: tokenizer.json as it stands, and the tokens that the configuration adds.
WordPiece json_tokenizer(const fs::path& folder, const JsonObject& root) {
  const TokenizerConfig config(folder);
  const Vocabulary vocabulary = read_vocabulary(root);
  auto [options, cls, sep] = read_tokenizer_json(root);
  options.token_types = config.gives_token_types(false);
  read_sides(config, root, options);
  AddedVocabulary added(vocabulary);
  std::set<std::string> known;
  for (const auto& token : tokenizer_json_tokens(root)) {
    added.add(token);
    known.insert(token.content);
  }
  auto tokens = add_tokens(std::move(added), config.added_tokens(root, {}), std::move(known));
  WordPiece tokenizer = make(root.source(), vocabulary, options, std::move(tokens));
  require_id(root, tokenizer, cls);
  require_id(root, tokenizer, sep);
  return tokenizer;
}

}  // namespace

WordPiece WordPiece::from_folder(const fs::path& folder) {
  const auto tokenizer_class = read_tokenizer_class(folder);
  if (formats::exists(folder / kTokenizerJson)) {
    const nlohmann::json json = formats::read_json(folder / kTokenizerJson);
    const JsonObject root(json, (folder / kTokenizerJson).string());
    return tokenizer_class == TokenizerClass::tokenizer_json ? json_tokenizer(folder, root)
                                                             : bert_tokenizer(folder, root, tokenizer_class);
  }
  const bool vocabulary = formats::exists(folder / kVocabularyFile);
  if (vocabulary && tokenizer_class != TokenizerClass::tokenizer_json)
    return bert_tokenizer(folder, std::nullopt, tokenizer_class);
  if (vocabulary)
    throw InputError(folder.string(),
                     "expected tokenizer.json for a PreTrainedTokenizerFast, got vocab.txt only");
  const bool byte_pair = formats::exists(folder / "merges.txt");
  throw InputError(folder.string(),
                   std::string("expected tokenizer.json or vocab.txt (WordPiece), found ") +
                       (byte_pair ? "merges.txt: byte-pair encoding is not supported" : "neither"));
}

}  // namespace vcas::text
