#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/delimited.h"

namespace vcas::formats {

/// parse_table for JSON, of well-formed UTF-8: objects one after the other, an array of objects, or several
/// of either. Numbers that are none (NaN, Infinity, Inf, also with a minus) are read as Python and Arrow
/// write them. May return no rows only for an empty array.
/// @param any_value_column see TableOptions.
Table parse_json_rows(std::string_view text, std::string_view source, const std::vector<std::string>& columns,
                      const std::string& any_value_column);

/// "no column 'sentense'; the nearest name is 'sentence', there are 'sentence', 'label'".
std::string missing_column(const std::string& name, const std::vector<std::string>& known);

}  // namespace vcas::formats
