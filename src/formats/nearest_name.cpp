#include "formats/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace vcas::formats {

namespace {

char folded(char c) {
  if (c == '-') return '_';
  return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // One row of the dynamic program: distance from the prefix of a seen so far to each prefix of b.
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto substituted = diagonal + (folded(a[i]) == folded(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> known) {
  // No sensible name is longer; it also bounds the work on a hostile file.
  constexpr std::size_t kLongestCompared = 256;
  const auto distance = [&](const std::string& candidate) {
    return edit_distance(name.substr(0, kLongestCompared),
                         std::string_view(candidate).substr(0, kLongestCompared));
  };
  std::optional<std::string> nearest;
  std::size_t smallest = 0;
  for (const auto& candidate : known) {
    const auto d = distance(candidate);
    if (nearest && d >= smallest) continue;
    nearest = candidate;
    smallest = d;
  }
  return nearest;
}

}  // namespace vcas::formats
