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

/// The known name that was probably meant: at the smallest edit distance, at most a third of the name's
/// length and below the length of both, the first of several; else the first that begins or ends with the
/// name as whole words ("epochs": "num_train_epochs"). Nothing when none is near, or for a name without
/// letters.
std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> known);

/// "; the nearest is 'prefix...'" for a message, or nothing when no known name is near.
std::string nearest_hint(std::string_view name, std::span<const std::string> known,
                         std::string_view prefix = "");

}  // namespace vcas::formats
