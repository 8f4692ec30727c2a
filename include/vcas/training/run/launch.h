#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "vcas/training/loop/task.h"
#include "vcas/training/run/options.h"
#include "vcas/training/run/requests.h"
#include "vcas/training/run/result.h"

namespace vcas::training {

class OutputDirectory;

/// What a run begins with.
struct RunStart {
  std::shared_ptr<OutputDirectory> output;  ///< held against other runs
  /// That the run goes on from, if any: the task's model then comes from this folder.
  std::optional<std::filesystem::path> checkpoint;
};

/// Takes the output folder for a run, and finds the checkpoint that it goes on from: "auto" is the newest
/// whole one, or the start where there is none yet. What lies in the folder stays as it is.
/// @param inputs files and folders that the task reads, such as model and data.
/// @throws formats::InputError naming flag, folder and what was expected: another run's folder, one that
/// another run holds, one that cannot be written, one in which the run would remove or overwrite what it
/// reads.
RunStart begin_run(const RunOptions& options, std::vector<std::filesystem::path> inputs);

/// Costs of sampling the blocks of a model on this machine: the user's table, or the one that comes with
/// vcas. A block that no entry fits has none: said on stderr, once.
/// @throws formats::InputError when the user's table lacks a block of the model.
control::BlockCosts costs_of(const RunOptions& options, const nn::Model& model);

/// Trains a task's model from its start, or from a checkpoint, to its end or to the first stop signal. A full
/// disk does not end training: what could not be written is tried again, and is an error only at the end.
/// @param task_name for summary.json. @param start as begin_run() gave it.
/// @throws formats::InputError for what a resumed run must share and does not. NonFiniteError; the last
/// checkpoint is then intact. std::system_error when the disk refuses.
RunResult launch(const RunOptions& options, Task& task, const std::string& task_name, const RunStart& start,
                 const RunRequests& requests);

}  // namespace vcas::training
