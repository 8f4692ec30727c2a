#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "vcas/training/loop/task.h"
#include "vcas/training/run/options.h"
#include "vcas/training/run/result.h"

namespace vcas::training {

/// The checkpoint that a run goes on from, if any; with it, the task's model comes from that folder. Refuses
/// an output folder that the run must not use. Nothing is written.
/// @param model folder that the run reads its model from.
/// @throws formats::InputError naming flag, folder and what was expected.
std::optional<std::filesystem::path> checkpoint_to_resume(const RunOptions& options,
                                                          const std::filesystem::path& model);

/// Costs of sampling the blocks of a model on this machine: the user's table, or the one that comes with
/// vcas. A block that no entry fits has none: said on stderr, once.
/// @throws formats::InputError when the user's table lacks a block of the model.
control::BlockCosts costs_of(const RunOptions& options, const nn::Model& model);

/// Trains a task's model from its start, or from a checkpoint, to its end or to the first stop signal.
/// @param task_name for summary.json. @param checkpoint as checkpoint_to_resume() gave it.
/// @throws formats::InputError for what a resumed run must share and does not. NonFiniteError; the last
/// checkpoint is then intact. std::system_error when the disk refuses.
RunResult launch(const RunOptions& options, Task& task, const std::string& task_name,
                 const std::optional<std::filesystem::path>& checkpoint,
                 const std::function<int()>& stop_signal);

}  // namespace vcas::training
