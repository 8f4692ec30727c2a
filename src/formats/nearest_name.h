#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vcas::formats {

/// Levenshtein distance in bytes: insertions, deletions and substitutions. Letter case, and '-' against '_',
/// are free.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The known name at the smallest edit distance, the first of several; nothing when none is known.
std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> known);

}  // namespace vcas::formats
