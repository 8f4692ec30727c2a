#pragma once

#include <string>
#include <string_view>

namespace vcas::text {

// Properties of code points as the Python package `tokenizers` has them: ICU's where the two agree, a
// generated table (unicode_differences.inc) where they do not.

/// Deleted by BERT's text cleaning: NUL, U+FFFD, control, format and private-use characters, except tab, line
/// feed and carriage return.
bool is_cleaned_away(char32_t code_point);
/// Unicode White_Space.
bool is_whitespace(char32_t code_point);
/// ASCII symbols and Unicode punctuation: each is a word of its own.
bool is_punctuation(char32_t code_point);
/// Ideographs that BERT sets between spaces.
bool is_chinese_character(char32_t code_point);
/// Removed when accents are stripped.
bool is_nonspacing_mark(char32_t code_point);
/// What an added token with single_word must not touch: letters, marks, decimal digits, connectors, joiners.
bool is_word_character(char32_t code_point);

/// Canonical decomposition with canonical ordering (NFD).
std::u32string decompose(std::u32string_view text);
/// Lower case, each code point by itself (no final sigma).
std::u32string lowercase(std::u32string_view text);

/// @param text well-formed UTF-8.
std::u32string from_utf8(std::string_view text);
std::string to_utf8(std::u32string_view text);

}  // namespace vcas::text
