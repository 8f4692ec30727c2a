#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "report/run_sets.h"

namespace vcas::report {

/// What the page shows: {"tables": [{"id", "title", "note", "header", "rows"}], "runs": a table,
/// "sections": [{"id", "title", "text", "legend", "views": [{"name", "charts": [{"id", "title", "note",
/// "columns", "data", "layout"}]}]}]}, with data and layout as Plotly has them.
nlohmann::json report_content(const std::vector<RunSet>& sets);

/// The content as text that can stand inside a script element, whatever is in it.
std::string script_safe(const nlohmann::json& content);

/// A page that needs nothing but a browser: the plotting library is inside.
std::string report_page(const nlohmann::json& content);

}  // namespace vcas::report
