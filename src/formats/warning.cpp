#include "formats/warning.h"

#include <fmt/format.h>

#include <cstdio>

namespace vcas::formats {

void warn(std::string_view message) { fmt::print(stderr, "vcas: warning: {}\n", message); }

}  // namespace vcas::formats
