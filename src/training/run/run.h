#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "training/run/metrics.h"
#include "training/run/progress.h"
#include "vcas/training/loop/evaluation.h"
#include "vcas/training/loop/history.h"
#include "vcas/training/loop/options.h"
#include "vcas/training/loop/task.h"
#include "vcas/training/loop/trainer.h"
#include "vcas/training/run/requests.h"
#include "vcas/training/run/result.h"

namespace vcas::training {

inline constexpr const char* kSummaryFile = "summary.json";

/// Where a run writes and how it is told to stop.
struct RunSettings {
  std::string task;                  ///< name, for summary.json
  std::filesystem::path output_dir;  ///< existing, and this run's alone
  RunRequests requests = {};
  /// Values that a resumed run must share, by flag; stored in checkpoints.
  nlohmann::json fingerprint = nlohmann::json::object();
  /// Further values that the result depends on, by flag; with those above they are in summary.json.
  nlohmann::json result = nlohmann::json::object();
  int64_t threads = 1;
};

/// A training run in a folder: the trainer's steps with logging, evaluation and checkpoints around them.
class Run {
 public:
  /// All references must outlive the run.
  Run(const TrainOptions& options, RunSettings settings, Task& task, Method& method);

  /// Takes up a checkpoint. Reads only. @throws formats::InputError when it is damaged, or belongs to a run
  /// with other options, naming option and both values.
  void resume(const std::filesystem::path& checkpoint);

  /// Trains to the end or to the first stop signal. At the end it evaluates and writes the model, then
  /// what the disk refused before, and last summary.json, which says that the run is finished. A checkpoint
  /// or a line that the disk refuses is said, and training goes on.
  /// @throws NonFiniteError; the last checkpoint is then intact. std::system_error when the disk refuses what
  /// must be there at the end: the model, the last checkpoint, a line, the summary.
  RunResult execute();

  int64_t steps_done() const { return trainer_.steps_done(); }
  /// What summary.json says of a run whatever comes out: {"task", "steps", "settings"}.
  nlohmann::json identity() const;

 private:
  void after_step(const StepReport& step, MetricsLog& log, Progress& progress);
  LoggedStep logged_step(const StepReport& step) const;
  /// @return false when the stop signal came first.
  bool evaluate(MetricsLog& log, Progress& progress);
  RunResult stopped(MetricsLog& log);
  std::filesystem::path save_checkpoint(const MetricsLog& log);
  void try_to_save_checkpoint(const MetricsLog& log, Progress& progress);
  /// @return nothing when the stop signal came first.
  std::optional<RunResult> finish(MetricsLog& log, Progress& progress);
  RunSummary summary() const;
  nlohmann::json settings() const;
  bool is_due(IntervalStrategy strategy, int64_t interval) const;

  TrainOptions options_;
  RunSettings settings_;
  Task& task_;
  Method& method_;
  Trainer trainer_;
  RunHistory history_;
  std::optional<int64_t> resumed_step_;
  nlohmann::json unwritten_lines_ = nlohmann::json::object();  ///< of the checkpoint that was taken up
  int64_t last_logged_step_ = 0;
  int64_t last_saved_step_ = -1;
  std::optional<Evaluation> evaluation_;  ///< of the present weights
  bool evaluation_due_ = false;           ///< after the step in hand, and not done yet
  bool unsaved_ = false;                  ///< the disk refused the last checkpoint
};

}  // namespace vcas::training
