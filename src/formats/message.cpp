#include "formats/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace vcas::formats {

namespace {

constexpr std::size_t kLongestQuote = 80;
constexpr std::size_t kLongestList = 20;

std::size_t cut_position(std::string_view text) {
  if (text.size() <= kLongestQuote) return text.size();
  std::size_t cut = kLongestQuote;
  const auto continues_character = [&](std::size_t i) {
    return (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
  };
  while (cut > 0 && continues_character(cut)) --cut;
  return cut;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  const auto shown = text.substr(0, cut_position(text));
  std::string result = "'";
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(result), "\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result + (shown.size() < text.size() ? "...'" : "'");
}

std::string in_quotes_each(std::span<const std::string> names) {
  std::string result;
  for (const auto& name : names.first(std::min(names.size(), kLongestList))) {
    result += (result.empty() ? "" : ", ") + in_quotes(name);
  }
  if (names.size() > kLongestList) result += fmt::format(" and {} more", names.size() - kLongestList);
  return result;
}

}  // namespace vcas::formats
