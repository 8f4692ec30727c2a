#include "text/wordpiece.h"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <utility>

#include "text/added_tokens.h"
#include "text/bert_unicode.h"

namespace vcas::text {

WordPiece::~WordPiece() = default;
WordPiece::WordPiece(WordPiece&&) noexcept = default;
WordPiece& WordPiece::operator=(WordPiece&&) noexcept = default;

WordPiece::WordPiece(const Vocabulary& vocabulary, WordPieceOptions options,
                     std::vector<AddedToken> added_tokens)
    : options_(std::move(options)) {
  const std::string& prefix = options_.continuing_subword_prefix;
  for (const auto& [token, id] : vocabulary) {
    vocabulary_size_ = std::max<int64_t>(vocabulary_size_, int64_t{id} + 1);
    longest_token_ = std::max(longest_token_, token.size());
    tokens_.emplace(token, id);
    if (token.starts_with(prefix)) continuations_.emplace(token.substr(prefix.size()), id);
  }
  std::vector<AddedToken> raw, normalized;
  for (AddedToken& token : added_tokens) {
    if (const auto known = tokens_.find(token.content); known != tokens_.end()) token.id = known->second;
    vocabulary_size_ = std::max<int64_t>(vocabulary_size_, int64_t{token.id} + 1);
    added_.emplace(token.content, token.id);
    if (token.normalized) token.content = to_utf8(normalize(token.content));
    (token.normalized ? normalized : raw).push_back(std::move(token));
  }
  raw_matcher_ = std::make_unique<AddedTokenMatcher>(std::move(raw), options_.split_special_tokens);
  normalized_matcher_ =
      std::make_unique<AddedTokenMatcher>(std::move(normalized), options_.split_special_tokens);
  unk_id_ = required_id(options_.unk_token, "unk_token");
  cls_id_ = required_id(options_.cls_token, "cls_token");
  sep_id_ = required_id(options_.sep_token, "sep_token");
}

std::optional<int32_t> WordPiece::token_id(std::string_view token) const {
  if (const auto added = added_.find(token); added != added_.end()) return added->second;
  const auto entry = tokens_.find(token);
  return entry == tokens_.end() ? std::nullopt : std::optional(entry->second);
}

int32_t WordPiece::required_id(const std::string& token, const char* role) const {
  const auto id = token_id(token);
  if (!id)
    throw std::invalid_argument("expected the " + std::string(role) + " '" + token +
                                "' in the vocabulary, found none");
  return *id;
}

std::u32string WordPiece::normalize(std::string_view text) const {
  std::u32string result;
  for (const char32_t code_point : from_utf8(text)) {
    if (options_.clean_text && is_cleaned_away(code_point)) continue;
    const bool chinese = options_.handle_chinese_chars && is_chinese_character(code_point);
    if (chinese) result += U' ';
    result += options_.clean_text && is_whitespace(code_point) ? U' ' : code_point;
    if (chinese) result += U' ';
  }
  if (options_.strip_accents.value_or(options_.lowercase)) {
    result = decompose(result);
    std::erase_if(result, is_nonspacing_mark);
  }
  return options_.lowercase ? lowercase(result) : result;
}

std::unique_ptr<TextEncoder> WordPiece::encoder() const { return std::make_unique<WordPieceEncoder>(*this); }

}  // namespace vcas::text
