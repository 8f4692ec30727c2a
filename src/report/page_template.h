#pragma once

#include <string_view>

namespace vcas::report {

/// The page as the build composed it of src/report/page and the plotting library, and where the content goes.
std::string_view page_template();
inline constexpr std::string_view kContentPlace = "@CONTENT@";

}  // namespace vcas::report
