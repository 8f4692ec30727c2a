#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "vcas/training/loop/evaluation.h"
#include "vcas/training/loop/history.h"

namespace vcas::training {

/// summary.json.
struct RunSummary {
  std::string task;
  std::string method;
  uint64_t seed = 0;
  int64_t steps = 0;
  double train_loss = 0;
  std::optional<Evaluation> evaluation;
  double train_seconds = 0;
  double adaptation_seconds = 0;
  Percentiles step_milliseconds;
  FlopCount flops;
  int64_t threads = 0;
  std::string dtype = "float32";  ///< of the products of the blocks' linears
};

/// As in summary.json; peak_rss_bytes is the process's so far.
nlohmann::json to_json(const RunSummary& summary);

/// How a run ended.
struct RunResult {
  RunSummary summary;
  int signal = 0;                    ///< not 0: stopped early by it, with a checkpoint
  std::filesystem::path checkpoint;  ///< of a run that was stopped; empty when it had not begun
  /// summary.json of a run that came to its end, now or, when it was asked to go on, before.
  nlohmann::json document;
};

}  // namespace vcas::training
