#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "formats/json_lines_log.h"
#include "formats/tensorboard.h"
#include "vcas/training/loop/evaluation.h"
#include "vcas/training/loop/history.h"
#include "vcas/training/loop/method.h"

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

/// metrics.jsonl, evaluations.jsonl and TensorBoard events of a run, in its folder.
class MetricsLog {
 public:
  /// @param resumed_step steps that are already done: lines and events after it are dropped.
  /// @param unwritten as unwritten() gave it when that step was saved.
  /// @throws std::system_error when the disk refuses.
  MetricsLog(const std::filesystem::path& output_dir, std::optional<int64_t> resumed_step,
             const nlohmann::json& unwritten = nlohmann::json::object());

  /// Both keep what a full disk refuses, say so once for each file, and write it when there is room again.
  void write(const LoggedStep& step);
  void write(const Evaluation& evaluation, int64_t step);

  /// Lines that the disk refused so far, by file: a checkpoint keeps them.
  nlohmann::json unwritten() const;
  /// @throws std::system_error naming the file when something is left that the disk refuses.
  void require_written();

 private:
  struct Refused {
    std::filesystem::path file;
    std::error_code why;
    std::string message() const;
  };
  /// @return the files that the disk refuses.
  std::vector<Refused> flush();
  void flush_or_say();

  std::set<std::filesystem::path> said_;  ///< files of which it was said that the disk refuses them
  formats::JsonLinesLog lines_;
  formats::JsonLinesLog evaluations_;
  formats::TensorBoardWriter events_;
};

}  // namespace vcas::training
