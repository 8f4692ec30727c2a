#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/json_lines_log.h"
#include "vcas/nn/model.h"
#include "vcas/training/loop/method.h"
#include "vcas/training/methods/probe_options.h"

namespace vcas::training {

class ProbeRecord;

/// Trains by another method, with the same bits, and writes down what the gradients look like: probe.jsonl, a
/// line a probe,
///   {"micro_batch", "s": […], "nu": […], "v_sgd", "v_act": [by s],
///    "blocks": [{"gradient_norms": quantiles, "keep_ratio": [p_l by s]}],
///    "weights": {name: {"leverage_scores": quantiles, "v_sgd", "v_w": [by nu]}},
///    "present": {"s", "rho", "nu"} of a method that samples}
/// with block nearest the input first, quantiles at 0, 10, 25, 50, 75, 90 and 100 %, of all samples (rows) of
/// the probe's batches in exact passes, p_l(s) as mean over batches. V_s is that of the probe's batches,
/// V_act the mean squared error of a pass with SampleA at s, each batch at its own ratios, V_w the mean over
/// batches of Σ (1-q_r)/q_r ŵ_r² under SampleA at reference_s (docs/ALGORITHM.md, "Variance control"). Its
/// passes count neither as FLOPs nor as adaptation, but take time.
class ProbingMethod final : public Method {
 public:
  /// @throws c10::Error for options out of range.
  ProbingMethod(std::unique_ptr<Method> method, ProbeOptions options, std::filesystem::path file,
                const nn::Model& model);

  std::string_view name() const override { return method_->name(); }
  std::vector<data::Visit> select(std::vector<data::Visit> visits) override {
    return method_->select(std::move(visits));
  }
  bool selects() const override { return method_->selects(); }
  MicroBatchGradient backward(MicroBatch& batch, double loss_scale) override;
  /// @throws std::system_error when a line of the file is left that the disk refuses: training goes on
  /// without it.
  void require_written();
  std::optional<SamplingStatus> status() const override { return method_->status(); }
  std::map<std::string, nlohmann::json> documents() const override { return method_->documents(); }
  /// Those of the method alone: a probe that a stop cuts off is not made up for.
  MethodState state() const override { return method_->state(); }
  void load_state(const MethodState& state) override { method_->load_state(state); }

 private:
  void observe(MicroBatch& batch);
  void write(const nlohmann::json& line);

  std::unique_ptr<Method> method_;
  ProbeOptions options_;
  std::filesystem::path file_;
  sampling::SamplingLayout layout_;
  std::vector<size_t> controlled_;
  int64_t next_probe_ = 0;
  std::shared_ptr<ProbeRecord> record_;       ///< of the probe under way, or null
  std::optional<formats::JsonLinesLog> log_;  ///< opened with the first line
  bool refused_ = false;                      ///< a line by the disk, and said
};

}  // namespace vcas::training
