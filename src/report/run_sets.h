#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/comparison.h"
#include "report/run_files.h"

namespace vcas::report {

/// A run among those that are shown together.
struct ReportedRun {
  std::string name;   ///< of this run alone: "vcas, seed 42", or its folder
  std::string group;  ///< runs of a group differ in their seeds alone: "vcas", or the name of a single run
  RunFiles files;
  std::optional<ComparedRun> compared;  ///< of a finished run; its method is the row of the table
};

/// Runs that may be compared: those of a comparison or sweep, or the single runs that were named.
struct RunSet {
  std::string name;  ///< the folder of a comparison; empty for single runs
  std::vector<ReportedRun> runs;
};

/// @param folders each a run's (metrics.jsonl), or that of `vcas compare` or `vcas sweep` (compare.json,
/// sweep.json, or nothing yet beside the runs), which stands for its runs, finished or not.
/// @throws formats::InputError naming a folder without a run, or file, line and key that are wrong.
std::vector<RunSet> read_run_sets(const std::vector<std::filesystem::path>& folders);

}  // namespace vcas::report
