#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "vcas/training/json_lines_log.h"
#include "vcas/training/method.h"

namespace vcas::training {

/// When and at which ratios a probe looks at the gradients.
struct ProbeOptions {
  int64_t probe_steps = 100;  ///< micro-batches from one probe to the next
  int64_t probe_batches = 4;  ///< full-size micro-batches that a probe looks at
  std::vector<double> s = {0.5, 0.7, 0.8, 0.9, 0.95, 0.99};               ///< of SampleA, ascending
  std::vector<double> row_keep_ratio = {0.05, 0.1, 0.2, 0.3, 0.5, 0.75};  ///< of SampleW, ascending
  double reference_s = 0.9;  ///< SampleA under which SampleW's variances are taken; one of s
};

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
  /// @param parameters, linears as VcasMethod takes them. @throws c10::Error for options out of range.
  ProbingMethod(std::unique_ptr<Method> method, ProbeOptions options, std::filesystem::path file,
                const std::vector<models::NamedParameter>& parameters,
                const std::vector<std::vector<models::SampledLinear>>& linears);

  std::string_view name() const override { return method_->name(); }
  MicroBatchGradient backward(const MicroBatch& batch, double loss_scale) override;
  std::optional<SamplingStatus> status() const override { return method_->status(); }
  std::optional<control::EncoderLayerCost> cost() const override { return method_->cost(); }
  /// Those of the method alone: a probe that a stop cuts off is not made up for.
  MethodState state() const override { return method_->state(); }
  void load_state(const MethodState& state) override { method_->load_state(state); }

 private:
  void observe(const MicroBatch& batch);
  void write(const nlohmann::json& line);

  std::unique_ptr<Method> method_;
  ProbeOptions options_;
  std::filesystem::path file_;
  control::SamplingLayout layout_;
  std::vector<size_t> controlled_;
  int64_t next_probe_ = 0;
  std::shared_ptr<ProbeRecord> record_;  ///< of the probe under way, or null
  std::optional<JsonLinesLog> log_;      ///< opened with the first line
};

}  // namespace vcas::training
