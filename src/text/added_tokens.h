#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/wordpiece.h"

namespace vcas::text {

/// A stretch of text that is one added token, or that holds none.
struct TextPiece {
  std::string_view text;      ///< empty for a token
  std::optional<int32_t> id;  ///< of the token
};

/// Finds added tokens in text: leftmost first, of several at one place the longest.
class AddedTokenMatcher {
 public:
  /// @param tokens with the content that is to be found (normalised already where the text will be); empty
  /// ones
  ///        are left out.
  /// @param split_special special tokens are found, but stay text.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens, bool split_special = false);

  bool empty() const { return tokens_.empty(); }
  /// The text cut at its added tokens, in order. A token with lstrip or rstrip takes the white space beside
  /// it; one with single_word is passed over when a word character stands beside it.
  std::vector<TextPiece> split(std::string_view text) const;

 private:
  const AddedToken* longest_at(std::string_view text, std::size_t position) const;

  std::vector<AddedToken> tokens_;  ///< longest first
  std::string first_bytes_;
  bool split_special_;
};

}  // namespace vcas::text
