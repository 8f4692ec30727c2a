#include <unicode/utf8.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "text/added_tokens.h"
#include "text/bert_unicode.h"
#include "text/wordpiece.h"

namespace vcas::text {
namespace {

constexpr std::size_t kCachedWordBytes = 48;  // longer ones seldom come again
constexpr std::size_t kCachedWords = 1u << 18;

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_cut_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::size_t code_point_count(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !U8_IS_TRAIL(c); }));
}

/// Token counts of a pair that is cut longest first to `room` tokens.
std::pair<std::size_t, std::size_t> longest_first(std::size_t first, std::size_t second, std::size_t room) {
  if (first + second <= room) return {first, second};
  const std::size_t shorter = std::min({first, second, room / 2});
  return first > second ? std::pair{room - shorter, shorter} : std::pair{shorter, room - shorter};
}

/// Cuts a text to `count` tokens at its end, or at its beginning.
void cut(std::vector<int32_t>& ids, std::size_t count, bool left) {
  const auto surplus = static_cast<std::ptrdiff_t>(ids.size() - count);
  ids.erase(left ? ids.begin() : ids.end() - surplus, left ? ids.begin() + surplus : ids.end());
}

void require_length(int64_t max_length, int64_t least) {
  if (max_length >= least) return;
  throw std::invalid_argument("WordPieceEncoder: expected max_length of at least " + std::to_string(least) +
                              ", got " + std::to_string(max_length));
}

}  // namespace

std::vector<int32_t> WordPieceEncoder::tokens(std::string_view text) {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 4);
  for (const TextPiece& piece : tokenizer_.raw_matcher_->split(text)) {
    if (piece.id) {
      ids.push_back(*piece.id);
    } else if (tokenizer_.normalized_matcher_->empty()) {
      append_piece(piece.text, ids);
    } else {
      append_normalized(piece.text, ids);
    }
  }
  return ids;
}

Encoding WordPieceEncoder::encode(std::string_view text, int64_t max_length) {
  require_length(max_length, 2);
  Encoding result;
  result.ids = tokens(text);
  const auto room = static_cast<std::size_t>(max_length - 2);
  result.truncated = result.ids.size() > room;
  if (result.truncated) cut(result.ids, room, tokenizer_.options_.truncate_left);
  result.ids.insert(result.ids.begin(), tokenizer_.cls_id_);
  result.ids.push_back(tokenizer_.sep_id_);
  result.second_begin = static_cast<int64_t>(result.ids.size());
  return result;
}

Encoding WordPieceEncoder::encode_pair(std::string_view first, std::string_view second, int64_t max_length) {
  require_length(max_length, 3);
  std::vector<int32_t> a = tokens(first);
  std::vector<int32_t> b = tokens(second);
  const auto [kept_a, kept_b] = longest_first(a.size(), b.size(), static_cast<std::size_t>(max_length - 3));
  Encoding result;
  result.truncated = kept_a + kept_b < a.size() + b.size();
  cut(a, kept_a, tokenizer_.options_.truncate_left);
  cut(b, kept_b, tokenizer_.options_.truncate_left);
  result.ids.reserve(kept_a + kept_b + 3);
  result.ids.push_back(tokenizer_.cls_id_);
  result.ids.insert(result.ids.end(), a.begin(), a.end());
  result.ids.push_back(tokenizer_.sep_id_);
  result.second_begin = static_cast<int64_t>(result.ids.size());
  result.ids.insert(result.ids.end(), b.begin(), b.end());
  result.ids.push_back(tokenizer_.sep_id_);
  if (!tokenizer_.options_.token_types) result.second_begin = static_cast<int64_t>(result.ids.size());
  return result;
}

// White space ends every run of combining marks, so that words can be normalised, and remembered, one by one.
void WordPieceEncoder::append_piece(std::string_view text, std::vector<int32_t>& ids) {
  for (auto begin = text.begin(); begin != text.end();) {
    begin = std::find_if_not(begin, text.end(), is_cut_space);
    const auto end = std::find_if(begin, text.end(), is_cut_space);
    if (begin != end) append_raw_word({begin, end}, ids);
    begin = end;
  }
}

void WordPieceEncoder::append_normalized(std::string_view text, std::vector<int32_t>& ids) {
  const std::string normalized = to_utf8(tokenizer_.normalize(text));
  for (const TextPiece& piece : tokenizer_.normalized_matcher_->split(normalized)) {
    if (piece.id) {
      ids.push_back(*piece.id);
    } else {
      append_words(from_utf8(piece.text), ids);
    }
  }
}

void WordPieceEncoder::append_raw_word(std::string_view word, std::vector<int32_t>& ids) {
  if (const auto known = cache_.find(word); known != cache_.end()) {
    ids.insert(ids.end(), known->second.begin(), known->second.end());
    return;
  }
  const auto before = static_cast<std::ptrdiff_t>(ids.size());
  if (is_ascii(word)) {
    append_ascii_word(word, ids);
  } else {
    append_words(tokenizer_.normalize(word), ids);
  }
  if (word.size() <= kCachedWordBytes && cache_.size() < kCachedWords) {
    cache_.emplace(word, std::vector<int32_t>(ids.begin() + before, ids.end()));
  }
}

void WordPieceEncoder::append_ascii_word(std::string_view word, std::vector<int32_t>& ids) {
  const auto flush = [&] {
    if (!buffer_.empty()) append_word(buffer_, ids);
    buffer_.clear();
  };
  for (const char c : word) {
    const auto code_point = static_cast<char32_t>(c);
    if (tokenizer_.options_.clean_text && is_cleaned_away(code_point)) continue;
    if (is_whitespace(code_point)) {
      flush();
    } else if (is_punctuation(code_point)) {
      flush();
      append_word({&c, 1}, ids);
    } else {
      buffer_ += tokenizer_.options_.lowercase && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  flush();
}

void WordPieceEncoder::append_words(std::u32string_view normalized, std::vector<int32_t>& ids) {
  std::size_t begin = 0;
  const auto flush = [&](std::size_t end) {
    if (begin < end) append_word(to_utf8(normalized.substr(begin, end - begin)), ids);
    begin = end;
  };
  for (std::size_t i = 0; i < normalized.size(); ++i) {
    if (is_whitespace(normalized[i])) {
      flush(i);
      begin = i + 1;
    } else if (is_punctuation(normalized[i])) {
      flush(i);
      flush(i + 1);
    }
  }
  flush(normalized.size());
}

/// The longest token that begins the word, then the longest continuation, and so on; unk_token for the whole
/// word when one is missing or the word is too long.
void WordPieceEncoder::append_word(std::string_view word, std::vector<int32_t>& ids) const {
  const std::size_t before = ids.size();
  const auto give_up = [&] {
    ids.resize(before);
    ids.push_back(tokenizer_.unk_id_);
  };
  if (code_point_count(word) > static_cast<std::size_t>(tokenizer_.options_.max_input_chars_per_word))
    return give_up();
  while (!word.empty()) {
    const auto& index = ids.size() == before ? tokenizer_.tokens_ : tokenizer_.continuations_;
    std::size_t length = std::min(word.size(), tokenizer_.longest_token_);
    auto token = index.end();
    for (; length > 0; --length) {
      if (length < word.size() && U8_IS_TRAIL(word[length])) continue;
      token = index.find(word.substr(0, length));
      if (token != index.end()) break;
    }
    if (length == 0) return give_up();
    ids.push_back(token->second);
    word.remove_prefix(length);
  }
}

}  // namespace vcas::text
