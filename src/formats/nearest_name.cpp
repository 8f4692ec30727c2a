#include "formats/nearest_name.h"

#include <fmt/format.h>

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

constexpr std::size_t kShortestPart = 5;  // "size" is part of too many names

/// Whether a name has these words between its '_'.
bool holds_words(std::string_view name, std::string_view words) {
  const auto begin = name.find(words);
  if (begin == std::string_view::npos) return false;
  const auto end = begin + words.size();
  return (begin == 0 || name[begin - 1] == '_') && (end == name.size() || name[end] == '_');
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
  const auto compared = name.substr(0, kLongestCompared);
  std::optional<std::string> nearest;
  // A slip is short; what differs in more than every third letter is another name.
  std::size_t limit = (compared.size() + 2) / 3 + 1;
  for (const auto& candidate : known) {
    const auto distance = edit_distance(compared, std::string_view(candidate).substr(0, kLongestCompared));
    if (distance >= limit) continue;
    nearest = candidate;
    limit = distance;
  }
  if (nearest || name.size() < kShortestPart) return nearest;
  const auto holding =
      std::ranges::find_if(known, [&](const auto& candidate) { return holds_words(candidate, name); });
  return holding == known.end() ? std::nullopt : std::optional(*holding);
}

std::string nearest_hint(std::string_view name, std::span<const std::string> known, std::string_view prefix) {
  const auto nearest = nearest_name(name, known);
  return nearest ? fmt::format("; the nearest is '{}{}'", prefix, *nearest) : std::string();
}

}  // namespace vcas::formats
