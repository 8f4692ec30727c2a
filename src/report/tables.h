#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "report/run_sets.h"

namespace vcas::report {

/// The page's tables: {"id", "title", "note", "header", "rows"} of texts.
nlohmann::json runs_table(const std::vector<RunSet>& sets);
/// compare_methods() of a set and its paired tests; nothing for one run alone.
std::vector<nlohmann::json> comparison_tables(const RunSet& set);

}  // namespace vcas::report
