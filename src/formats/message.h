#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace vcas::formats {

/// 'text' for a message: control characters are escaped and a long text is cut, on a character's boundary.
std::string in_quotes(std::string_view text);

/// "'a', 'b', 'c'", cut after twenty names.
std::string in_quotes_each(std::span<const std::string> names);

}  // namespace vcas::formats
