#pragma once

#include <string_view>

namespace vcas::formats {

/// Writes "vcas: warning: message" and a line feed to stderr.
void warn(std::string_view message);

}  // namespace vcas::formats
