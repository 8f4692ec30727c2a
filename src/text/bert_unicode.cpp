#include "text/bert_unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>
#include <unicode/uvernum.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <stdexcept>

namespace vcas::text {
namespace {

struct CodePointRange {
  char32_t first, last;
};
struct CombiningClass {
  char32_t code_point;
  uint8_t value;
};
struct CodePointMapping {
  char32_t code_point;
  std::u32string_view text;
};

#include "text/unicode_differences.inc"

// The table was made against Unicode 15.0; what is younger counts as unassigned, whatever ICU is installed.
static_assert(U_ICU_VERSION_MAJOR_NUM >= 72, "unicode_differences.inc needs ICU 72 (Unicode 15.0) or later");

bool contains(std::span<const CodePointRange> ranges, char32_t code_point) {
  const auto range = std::ranges::lower_bound(ranges, code_point, {},
                                              [](const CodePointRange& entry) { return entry.last; });
  return range != ranges.end() && range->first <= code_point;
}

template <typename Entry>
const Entry* find(std::span<const Entry> entries, char32_t code_point) {
  const auto entry = std::ranges::lower_bound(entries, code_point, {}, &Entry::code_point);
  return entry != entries.end() && entry->code_point == code_point ? &*entry : nullptr;
}

bool is_assigned(char32_t code_point) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(code_point), age);
  return age[0] <= 15 && (age[0] < 15 || age[1] == 0);
}

/// Bit of the general category, as the U_GC_ masks have it.
uint32_t category(char32_t code_point) {
  return is_assigned(code_point) ? U_GET_GC_MASK(static_cast<UChar32>(code_point)) : U_GC_CN_MASK;
}

bool has_category(char32_t code_point, uint32_t mask) { return (category(code_point) & mask) != 0; }

const UNormalizer2* nfd() {
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* normalizer = unorm2_getNFDInstance(&status);
  if (U_FAILURE(status)) throw std::runtime_error(std::string("ICU: no NFD data: ") + u_errorName(status));
  return normalizer;
}

uint8_t combining_class(char32_t code_point) {
  if (const auto* entry = find<CombiningClass>(kCombiningClassDifferences, code_point)) return entry->value;
  return is_assigned(code_point) ? u_getCombiningClass(static_cast<UChar32>(code_point)) : uint8_t{0};
}

void append_decomposition(const UNormalizer2* normalizer, char32_t code_point, std::u32string& result) {
  if (const auto* entry = find<CodePointMapping>(kDecompositionDifferences, code_point)) {
    result += entry->text;
    return;
  }
  constexpr int32_t kLongest = 64;  // Unicode's longest full decomposition has 4 code points
  std::array<UChar, kLongest> units;
  UErrorCode status = U_ZERO_ERROR;
  const int32_t length = is_assigned(code_point)
                             ? unorm2_getDecomposition(normalizer, static_cast<UChar32>(code_point),
                                                       units.data(), kLongest, &status)
                             : -1;
  if (length < 0) {
    result += code_point;
    return;
  }
  for (int32_t i = 0; i < length;) {
    UChar32 part;
    U16_NEXT(units.data(), i, length, part);
    result += static_cast<char32_t>(part);
  }
}

/// Sorts each run of marks by combining class, equal ones in place.
void order_marks(std::u32string& text) {
  const auto is_mark = [](char32_t code_point) { return combining_class(code_point) != 0; };
  for (auto first = std::ranges::find_if(text, is_mark); first != text.end();) {
    const auto last = std::find_if_not(first, text.end(), is_mark);
    if (last - first > 1)
      std::stable_sort(first, last,
                       [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    first = std::find_if(last, text.end(), is_mark);
  }
}

}  // namespace

bool is_cleaned_away(char32_t code_point) {
  if (code_point == U'\t' || code_point == U'\n' || code_point == U'\r') return false;
  if (code_point == 0 || code_point == 0xFFFD) return true;
  const bool in_icu = has_category(code_point, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK);
  return in_icu != contains(kControlDifferences, code_point);
}

bool is_whitespace(char32_t code_point) {
  return u_hasBinaryProperty(static_cast<UChar32>(code_point), UCHAR_WHITE_SPACE) != 0;
}

bool is_punctuation(char32_t code_point) {
  if (code_point < 0x80)
    return code_point > 0x20 && code_point < 0x7F && u_isalnum(static_cast<UChar32>(code_point)) == 0;
  return has_category(code_point, U_GC_P_MASK) != contains(kPunctuationDifferences, code_point);
}

bool is_chinese_character(char32_t code_point) {
  static constexpr CodePointRange kRanges[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                               {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F},
                                               {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
  return contains(kRanges, code_point);
}

bool is_nonspacing_mark(char32_t code_point) {
  return has_category(code_point, U_GC_MN_MASK) != contains(kNonspacingMarkDifferences, code_point);
}

bool is_word_character(char32_t code_point) {
  const auto value = static_cast<UChar32>(code_point);
  const bool in_icu =
      is_assigned(code_point) && (has_category(code_point, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) ||
                                  u_hasBinaryProperty(value, UCHAR_ALPHABETIC) != 0 ||
                                  u_hasBinaryProperty(value, UCHAR_JOIN_CONTROL) != 0);
  return in_icu != contains(kWordCharacterDifferences, code_point);
}

std::u32string decompose(std::u32string_view text) {
  const UNormalizer2* normalizer = nfd();
  std::u32string result;
  result.reserve(text.size());
  for (const char32_t code_point : text) append_decomposition(normalizer, code_point, result);
  order_marks(result);
  return result;
}

std::u32string lowercase(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (const char32_t code_point : text) {
    if (const auto* entry = find<CodePointMapping>(kLowercaseDifferences, code_point)) {
      result += entry->text;
    } else {
      result += is_assigned(code_point) ? static_cast<char32_t>(u_tolower(static_cast<UChar32>(code_point)))
                                        : code_point;
    }
  }
  return result;
}

std::u32string from_utf8(std::string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    UChar32 code_point;
    U8_NEXT_OR_FFFD(text.data(), i, text.size(), code_point);
    result += static_cast<char32_t>(code_point);
  }
  return result;
}

std::string to_utf8(std::u32string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char32_t code_point : text) {
    std::array<char, U8_MAX_LENGTH> bytes;
    std::size_t length = 0;
    U8_APPEND_UNSAFE(bytes.data(), length, code_point);
    result.append(bytes.data(), length);
  }
  return result;
}

}  // namespace vcas::text
