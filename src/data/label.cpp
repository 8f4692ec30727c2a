#include "data/label.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>
#include <utility>

namespace vcas::data {
namespace {

using formats::CellKind;

constexpr int64_t kLargestExponent = 308;

// Source: Python's str.isspace; U+0085 and all above it are encoded in UTF-8.
constexpr std::array<std::string_view, 29> kWhiteSpace = {" ",
                                                          "\t",
                                                          "\n",
                                                          "\v",
                                                          "\f",
                                                          "\r",
                                                          "\x1c",
                                                          "\x1d",
                                                          "\x1e",
                                                          "\x1f",
                                                          "\xC2\x85",
                                                          "\xC2\xA0",
                                                          "\xE1\x9A\x80",
                                                          "\xE2\x80\x80",
                                                          "\xE2\x80\x81",
                                                          "\xE2\x80\x82",
                                                          "\xE2\x80\x83",
                                                          "\xE2\x80\x84",
                                                          "\xE2\x80\x85",
                                                          "\xE2\x80\x86",
                                                          "\xE2\x80\x87",
                                                          "\xE2\x80\x88",
                                                          "\xE2\x80\x89",
                                                          "\xE2\x80\x8A",
                                                          "\xE2\x80\xA8",
                                                          "\xE2\x80\xA9",
                                                          "\xE2\x80\xAF",
                                                          "\xE2\x81\x9F",
                                                          "\xE3\x80\x80"};

// Source: pandas._libs.parsers.STR_NA_VALUES of pandas 3.1.
constexpr std::array<std::string_view, 18> kMissing = {
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A",      "NA",  "NULL",    "NaN",      "None", "n/a",  "nan",    "null"};

bool equal_ignoring_case(std::string_view a, std::string_view lower_case) {
  return std::ranges::equal(
      a, lower_case, {}, [](char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
}

bool is_digit(char c) { return '0' <= c && c <= '9'; }

std::string_view take_digits(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  const auto digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits;
}

bool take_sign(std::string_view& text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  return negative;
}

/// "e-5" at the front; nothing when an 'e' stands there without digits.
std::optional<int64_t> take_exponent(std::string_view& text) {
  if (!text.starts_with('e') && !text.starts_with('E')) return 0;
  text.remove_prefix(1);
  const bool negative = take_sign(text);
  const auto digits = take_digits(text);
  if (digits.empty()) return std::nullopt;
  int64_t exponent = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  if (error != std::errc{} || exponent > kLargestExponent) exponent = kLargestExponent + 1;
  return negative ? -exponent : exponent;
}

/// whole.fraction · 10^exponent.
void shift(std::string& whole, std::string& fraction, int64_t exponent) {
  const auto places = static_cast<std::size_t>(exponent < 0 ? -exponent : exponent);
  if (exponent > 0) {
    fraction.resize(std::max(fraction.size(), places), '0');
    whole += fraction.substr(0, places);
    fraction.erase(0, places);
  } else {
    if (whole.size() < places) whole.insert(0, places - whole.size(), '0');
    fraction.insert(0, whole.substr(whole.size() - places));
    whole.resize(whole.size() - places);
  }
}

Decimal normalised(bool negative, std::string whole, std::string fraction) {
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  fraction.resize(fraction.find_last_not_of('0') + 1);  // npos + 1 is 0
  if (whole.empty()) whole.assign(1, '0');
  const bool zero = whole == "0" && fraction.empty();
  return {negative && !zero, true, std::move(whole), std::move(fraction), false};
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const auto strip = [&](auto matches, auto remove) {
    const auto found = std::ranges::find_if(kWhiteSpace, matches);
    if (found != kWhiteSpace.end()) remove(found->size());
    return found != kWhiteSpace.end();
  };
  while (strip([&](auto space) { return text.starts_with(space); },
               [&](std::size_t size) { text.remove_prefix(size); })) {
  }
  while (strip([&](auto space) { return text.ends_with(space); },
               [&](std::size_t size) { text.remove_suffix(size); })) {
  }
  return text;
}

Label make_label(std::string_view text, CellKind kind) { return {std::string(trimmed(text)), kind}; }

bool is_missing(const Label& label) {
  if (label.text.empty() || label.kind == CellKind::missing) return true;
  return label.kind == CellKind::bare && std::ranges::find(kMissing, label.text) != kMissing.end();
}

std::optional<bool> as_boolean(const Label& label) {
  if (label.kind != CellKind::boolean && label.kind != CellKind::bare) return std::nullopt;
  if (equal_ignoring_case(label.text, "true")) return true;
  if (equal_ignoring_case(label.text, "false")) return false;
  return std::nullopt;
}

std::string Decimal::text() const {
  std::string text(negative ? 1 : 0, '-');
  text += finite ? std::string_view(whole) : std::string_view("inf");
  if (!fraction.empty()) (text += '.') += fraction;
  return text;
}

std::optional<Decimal> as_number(std::string_view text) {
  const bool negative = take_sign(text);
  if (equal_ignoring_case(text, "inf") || equal_ignoring_case(text, "infinity"))
    return Decimal{negative, /*finite=*/false, {}, {}, /*written_as_float=*/true};
  std::string whole(take_digits(text)), fraction;
  const bool point = text.starts_with('.');
  if (point) {
    text.remove_prefix(1);
    fraction = take_digits(text);
  }
  if (whole.empty() && fraction.empty()) return std::nullopt;
  const bool as_float = point || !text.empty();
  const auto exponent = take_exponent(text);
  if (!exponent || !text.empty()) return std::nullopt;
  if (*exponent > kLargestExponent) return Decimal{negative, false, {}, {}, true};
  if (*exponent < -kLargestExponent) {
    whole.clear();
    fraction.clear();
  }
  shift(whole, fraction, *exponent);
  auto number = normalised(negative, std::move(whole), std::move(fraction));
  number.written_as_float = as_float;
  return number;
}

std::optional<Decimal> as_number(const Label& label) {
  if (label.kind == CellKind::boolean || label.kind == CellKind::missing) return std::nullopt;
  return as_number(label.text);
}

bool less(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative;
  const auto magnitude = [](const Decimal& x) {
    return std::tuple(!x.finite, x.whole.size(), std::string_view(x.whole), std::string_view(x.fraction));
  };
  return a.negative ? magnitude(b) < magnitude(a) : magnitude(a) < magnitude(b);
}

}  // namespace vcas::data
