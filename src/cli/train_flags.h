#pragma once

#include <functional>
#include <string>

#include "cli/common_flags.h"
#include "vcas/training/run/options.h"

namespace vcas::cli {

/// What training by any method asks for, in groups: task, data, precision, sampling, loop, optimizer,
/// logging.
/// @param add_output_flags called after the groups of task and data: flags of the command's own.
void add_training_flags(FlagTable& flags, CommonOptions& common, tasks::TaskProgram& task,
                        training::RunOptions& options, const std::function<void()>& add_output_flags);

/// Methods by name, with what each is.
void add_method_flag(FlagTable& flags, training::MethodOptions& options);

/// --output_dir and --overwrite_output_dir of a command that makes several runs.
void add_grid_output_flags(FlagTable& flags, training::RunOptions& options, const std::string& result_file);

/// @throws formats::InputError naming what is missing or contradicts itself.
void require_consistent_training(const training::RunOptions& options, const tasks::TaskProgram& task);

}  // namespace vcas::cli
