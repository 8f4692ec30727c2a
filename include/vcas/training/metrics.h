#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "vcas/formats/tensorboard.h"
#include "vcas/training/history.h"
#include "vcas/training/json_lines_log.h"
#include "vcas/training/method.h"
#include "vcas/training/ratio_history.h"
#include "vcas/training/task.h"

namespace vcas::training {

/// A line of metrics.jsonl.
struct LoggedStep {
  int64_t step = 0;
  double epoch = 0;
  double loss = 0;               ///< mean since the last logged step
  double learning_rate = 0;      ///< of this step
  double gradient_norm = 0;      ///< of this step, before clipping
  double step_milliseconds = 0;  ///< mean since the last logged step
  double clipped_fraction = 0;   ///< of all steps so far; TensorBoard only
  double flops_performed = 0;    ///< of all steps so far
  std::optional<SamplingStatus> sampling;
};

/// {"step","epoch","loss","learning_rate","grad_norm","step_ms","flops_performed","s","rho","nu","v_sgd","v_act",
/// "v_w","act_var_tau","w_var_tau"}; what a method does not have, or not yet, is null. Where sampling did not
/// pay for all: "gated", {"blocks": [...], "weights": [...]} of the last pass.
nlohmann::json to_json(const LoggedStep& step);

/// A line of evaluations.jsonl: {"step","examples","loss","accuracy","macro_f1","matthews"}.
nlohmann::json to_json(const Evaluation& evaluation, int64_t step);

/// metrics.jsonl, evaluations.jsonl and TensorBoard events of a run, in its folder. Heat maps of ρ and ν
/// (tags sampling/rho, sampling/nu) go on from the lines that metrics.jsonl keeps on resuming.
class MetricsLog {
 public:
  /// @param resumed_step steps that are already done: lines and events after it are dropped.
  /// @throws std::system_error when the disk refuses.
  MetricsLog(const std::filesystem::path& output_dir, std::optional<int64_t> resumed_step);

  void write(const LoggedStep& step);
  void write(const Evaluation& evaluation, int64_t step);
  /// The run is at its end: the last heat maps.
  void finish();

 private:
  void write_heat_maps();
  void flush();

  JsonLinesLog lines_;
  JsonLinesLog evaluations_;
  formats::TensorBoardWriter events_;
  RatioHistory ratios_;
  bool described_ = false;  ///< the heat maps, to TensorBoard
};

/// summary.json.
struct RunSummary {
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

}  // namespace vcas::training
