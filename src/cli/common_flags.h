#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tasks/flags.h"
#include "tasks/task_program.h"

namespace vcas::cli {

using tasks::FlagTable;

// The ranges of flags, by short names.
using tasks::above;
using tasks::above_to;
using tasks::at_least;
using tasks::between;
using tasks::from_to_below;
using tasks::Range;

/// In a batch, and batches in a step: more are no batch, and would not be counted right.
inline constexpr double kMostTexts = 1e6;

/// What commands share.
struct CommonOptions {
  std::string task = tasks::task_names().front();
  int64_t threads = 0;  ///< 0: one a core
};

/// The task that a command line names, as far as it names one of this version; otherwise the default. Its
/// flags are those that the command has.
std::string task_in(const std::vector<std::string>& arguments);

void add_task_flag(FlagTable& flags, CommonOptions& options);
void add_threads_flag(FlagTable& flags, CommonOptions& options);
void set_threads(int64_t threads);

}  // namespace vcas::cli
