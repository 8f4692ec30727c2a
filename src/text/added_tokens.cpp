#include "text/added_tokens.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "text/bert_unicode.h"

namespace vcas::text {
namespace {

char32_t first_code_point(std::string_view text) {
  UChar32 result;
  std::size_t position = 0;
  U8_NEXT_OR_FFFD(text.data(), position, text.size(), result);
  return static_cast<char32_t>(result);
}

/// Where the last code point of non-empty text begins.
std::size_t last_start(std::string_view text) {
  std::size_t position = text.size() - 1;
  while (position > 0 && U8_IS_TRAIL(text[position])) --position;
  return position;
}

bool touches_word(std::string_view before, std::string_view after) {
  return (!before.empty() && is_word_character(first_code_point(before.substr(last_start(before))))) ||
         (!after.empty() && is_word_character(first_code_point(after)));
}

std::size_t without_trailing_space(std::string_view text) {
  while (!text.empty() && is_whitespace(first_code_point(text.substr(last_start(text))))) {
    text = text.substr(0, last_start(text));
  }
  return text.size();
}

std::size_t leading_space(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && is_whitespace(first_code_point(text.substr(length)))) {
    do {
      ++length;
    } while (length < text.size() && U8_IS_TRAIL(text[length]));
  }
  return length;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens, bool split_special)
    : tokens_(std::move(tokens)), split_special_(split_special) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::ranges::stable_sort(tokens_, std::greater<>{},
                           [](const AddedToken& token) { return token.content.size(); });
  for (const AddedToken& token : tokens_) {
    if (first_bytes_.find(token.content.front()) == std::string::npos) first_bytes_ += token.content.front();
  }
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text, std::size_t position) const {
  const auto token = std::ranges::find_if(tokens_, [&](const AddedToken& candidate) {
    return text.substr(position).starts_with(candidate.content);
  });
  return token == tokens_.end() ? nullptr : &*token;
}

std::vector<TextPiece> AddedTokenMatcher::split(std::string_view text) const {
  std::vector<TextPiece> pieces;
  std::size_t done = 0;
  std::size_t position = 0;
  while ((position = text.find_first_of(first_bytes_, position)) != std::string_view::npos) {
    const AddedToken* token = longest_at(text, position);
    if (token == nullptr) {
      ++position;
      continue;
    }
    std::size_t start = position;
    std::size_t stop = position = start + token->content.size();
    if (token->special && split_special_) continue;
    if (token->single_word && touches_word(text.substr(0, start), text.substr(stop))) continue;
    if (token->lstrip) start = std::max(without_trailing_space(text.substr(0, start)), done);
    if (token->rstrip) stop += leading_space(text.substr(stop));
    if (done < start) pieces.push_back({text.substr(done, start - done), std::nullopt});
    pieces.push_back({{}, token->id});
    done = stop;
  }
  if (done < text.size()) pieces.push_back({text.substr(done), std::nullopt});
  return pieces;
}

}  // namespace vcas::text
