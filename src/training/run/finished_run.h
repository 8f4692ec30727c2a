#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "training/run/run.h"
#include "vcas/training/loop/task.h"
#include "vcas/training/run/launch.h"
#include "vcas/training/run/options.h"

namespace vcas::training {

/// Values that the result depends on and that a resumed run need not share, by flag: RunSettings::result.
/// @throws formats::InputError when the cost table cannot be read.
nlohmann::json result_settings(const RunOptions& options, const Task& task);

/// summary.json of the run that the folder holds, finished, when this one is to go on with it and has its
/// settings. Nothing when there is none, when it has other steps and a checkpoint to go on from, or when its
/// model is gone.
/// @throws formats::InputError naming each setting that differs.
std::optional<nlohmann::json> finished_summary(const RunOptions& options, const RunStart& start,
                                               const Run& run);

}  // namespace vcas::training
