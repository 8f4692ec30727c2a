#include "formats/name_order.h"

#include <cctype>
#include <cstddef>

namespace vcas::formats {

bool numbers_by_value(std::string_view a, std::string_view b) {
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!is_digit(a[i]) || !is_digit(b[j])) {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
      continue;
    }
    size_t end_a = i, end_b = j;
    while (end_a < a.size() && is_digit(a[end_a])) ++end_a;
    while (end_b < b.size() && is_digit(b[end_b])) ++end_b;
    if (end_a - i != end_b - j) return end_a - i < end_b - j;
    if (const int order = a.substr(i, end_a - i).compare(b.substr(j, end_b - j))) return order < 0;
    i = end_a, j = end_b;
  }
  return a.size() - i < b.size() - j;
}

}  // namespace vcas::formats
