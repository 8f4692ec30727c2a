#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/delimited.h"

namespace vcas::formats {

/// parse_table for JSONL, of well-formed UTF-8; may return no rows only for a text of none but empty lines,
/// which throws.
Table parse_json_lines(std::string_view text, std::string_view source,
                       const std::vector<std::string>& columns);

/// "no column 'sentense'; the nearest name is 'sentence', there are 'sentence', 'label'".
std::string missing_column(const std::string& name, const std::vector<std::string>& known);

}  // namespace vcas::formats
