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

/// Whether a name begins or ends with these words, parted from the rest by '_'.
bool holds_words(std::string_view name, std::string_view words) {
  if (name.size() <= words.size()) return name == words;
  const auto rest = name.size() - words.size();
  return (name.starts_with(words) && name[words.size()] == '_') ||
         (name.ends_with(words) && name[rest - 1] == '_');
}

/// Not so numbers and dates: a number near another is another number.
bool has_letter(std::string_view name) {
  return std::ranges::any_of(name, [](char c) {
    const char lower = folded(c);
    return ('a' <= lower && lower <= 'z') || static_cast<unsigned char>(c) >= 0x80;
  });
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
  if (!has_letter(name)) return nearest;
  // A slip is short; what differs in more than every third letter is another name.
  std::size_t limit = (compared.size() + 2) / 3 + 1;
  for (const auto& candidate : known) {
    const auto distance = edit_distance(compared, std::string_view(candidate).substr(0, kLongestCompared));
    const auto shorter = std::min(compared.size(), candidate.size());
    if (distance >= limit || (distance > 0 && distance >= shorter)) continue;  // no letter in common
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
