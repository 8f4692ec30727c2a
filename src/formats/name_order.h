#pragma once

#include <string_view>

namespace vcas::formats {

/// Order of names in which numbers count by their value: "layer.2" before "layer.10". Numbers have no leading
/// zeros.
bool numbers_by_value(std::string_view a, std::string_view b);

}  // namespace vcas::formats
