#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/run_sets.h"

namespace vcas::report {

/// A run under the name by which the whole page knows it.
struct ShownRun {
  std::string name;
  std::string group;
  size_t color = 0;  ///< its group's place among all groups
  const RunFiles* files = nullptr;
};

/// With several sets, names and groups have their set's in front. @param sets must outlive the result.
std::vector<ShownRun> shown_runs(const std::vector<RunSet>& sets);

/// The page's sections but for the tables: {"id", "title", "text", "legend": [{"name", "color"}] of all its
/// charts or empty, "views": [{"name", "charts"}], of which one is shown at a time}. Null without a chart.
nlohmann::json training_section(const std::vector<ShownRun>& runs);
nlohmann::json sampling_section(const std::vector<ShownRun>& runs);
nlohmann::json gradient_section(const std::vector<ShownRun>& runs);

}  // namespace vcas::report
