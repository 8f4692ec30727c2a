#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "vcas/training/loop/options.h"
#include "vcas/training/methods/methods.h"
#include "vcas/training/methods/probe_options.h"

namespace vcas::training {

/// A training run as the user asks for it, whatever the task.
struct RunOptions {
  TrainOptions train = {};
  MethodOptions method = {};
  std::optional<ProbeOptions> probe = std::nullopt;  ///< also write probe.jsonl
  bool benefit_gate = true;                          ///< what does not pay, by the cost table, runs exactly
  std::filesystem::path cost_table = {};             ///< empty: the one that comes with vcas
  std::filesystem::path output_dir = {};
  bool overwrite_output_dir = false;
  std::string resume_from_checkpoint = {};  ///< empty, "auto", or a checkpoint's folder
  std::filesystem::path config_file = {};   ///< that these options came from, if any
};

}  // namespace vcas::training
