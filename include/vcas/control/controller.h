#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "vcas/sampling/plan.h"

namespace vcas::control {

enum class Policy { paper, solve };

/// Beyond any run, and small enough that micro-batch numbers do not overflow.
inline constexpr int64_t kLargestInterval = 1'000'000'000'000;
inline constexpr int64_t kLargestStretch = 1'000'000;

/// Defaults are the paper's (ALGORITHM.md, "Variance control").
struct ControllerOptions {
  Policy policy = Policy::solve;
  sampling::DrawMethod draw_method = sampling::DrawMethod::fixed;
  double act_var_tau = 0.025;    ///< tau_act
  double w_var_tau = 0.025;      ///< tau_w
  int64_t cal_var_freq = 100;    ///< F, micro-batches from one adaptation to the next
  int64_t cal_var_stretch = 8;   ///< how many F, at most, while ratios are steady; policy solve
  int64_t cal_var_m = 2;         ///< M, batches of an adaptation and sampled passes over each
  double s_update_step = 0.01;   ///< alpha, policy paper
  double w_ratio_mul = 0.95;     ///< beta, policy paper
  double act_sched_decay = 0.6;  ///< weight of the old rho, policy paper
  double s_min = 0.3;
  double row_keep_ratio_min = 0.02;  ///< nu_min
};

/// What can be sampled in a model, without the model: names and shapes only.
struct SamplingLayout {
  struct Linear {
    std::string name;  ///< of its weight, as the model names the parameter
    /// true: one row a sample (the last block of a classifier); false: every row of a sample.
    bool one_row_per_sample = false;
    /// Index of its weight among the gradients given to BatchObservation.
    int64_t gradient_index = 0;
    bool trainable = true;
  };
  std::vector<std::vector<Linear>> blocks;  ///< block nearest the input first
};

/// What training saw at one of the M batches of an adaptation.
struct BatchObservation {
  std::vector<int64_t> offsets;  ///< N+1, rows of each sample
  /// By block, from the exact pass: sample norms and row scores (SamplingStats).
  std::vector<sampling::SamplingStats> exact;
  /// By sampled pass, by block: what each pass of the plans of probe_plans() reported.
  std::vector<std::vector<sampling::SamplingStats>> sampled;
  /// Exact gradients of the parameters below the topmost SampleA, float32, unscaled and unclipped.
  std::vector<at::Tensor> exact_gradients;
  /// ‖g_ij - g_i‖² over those parameters, by sampled pass.
  std::vector<double> sampled_squared_error;
};

/// What an adaptation found, for the log. Policy paper: what the window measured, at the ratios it ran with.
/// Policy solve: the averaged V_s that the budgets were taken from, and V_act and V_w as expected at the new
/// ratios.
struct AdaptationReport {
  double v_sgd = 0, v_act = 0, v_w = 0;  ///< v_w: sum over weights
  double s = 1;                          ///< after the adaptation
};

struct ControllerState;

/// Learns how much to keep so that sampling adds at most a small fraction of the variance that SGD has
/// anyway. Norms and gradients in, a SamplingPlan out; it knows no model and no operator.
///
/// An adaptation is a window of M full-size micro-batches, from the first one that is due. Due are: policy
/// paper 0, F, 2F, … after the start of the last window; policy solve 0, F/4, F/2, F, because ratios change
/// fastest at the start of a run and what is not sampled there is lost, and then every F, or, while a window
/// leaves the ratios about as they were, twice the interval that led to it, up to
/// cal_var_stretch·F. Source:
/// ALGORITHM.md, "Variance control"; VCAS (arXiv 2402.17227), section 5.
class VarianceController {
 public:
  /// @throws c10::Error for an option out of range or a layout without blocks.
  VarianceController(const ControllerOptions& options, SamplingLayout layout, uint64_t seed);
  ~VarianceController();
  VarianceController(VarianceController&&) noexcept;
  VarianceController& operator=(VarianceController&&) noexcept;

  /// The plan of an ordinary training pass: exact until an adaptation has found something to leave out.
  sampling::SamplingPlan plan() const;
  /// The share of the gradient norms that SampleA keeps for certain (ALGORITHM.md, "Keep ratios").
  double s() const;

  /// True when this micro-batch (counted from 0 over the whole run) belongs to an adaptation. Only full-size
  /// micro-batches adapt: a smaller one postpones it.
  bool adapts(int64_t micro_batch, bool full_size) const;

  /// Call after the exact pass of an adaptation's batch: the plans of its M passes with SampleA alone, draw
  /// numbers 1.. distinct over the whole window. @param exact statistics of the exact pass, by block.
  std::vector<sampling::SamplingPlan> probe_plans(const std::vector<sampling::SamplingStats>& exact) const;

  /// Takes one batch of the window; with the M-th the ratios are updated and the window closes (returns
  /// true). A batch with a non-finite norm or gradient leaves the state as it was before the window.
  /// @throws c10::Error naming what of the observation does not fit the layout.
  bool observe(int64_t micro_batch, const BatchObservation& observation);
  const AdaptationReport& last_report() const;
  const ControllerOptions& options() const { return options_; }

  /// Everything that a checkpoint must hold: numbers as JSON, and tensors (the window's gradient sums,
  /// norms).
  nlohmann::json state() const;
  std::vector<at::Tensor> state_tensors() const;
  /// @throws c10::Error naming what does not fit this controller's layout.
  void load_state(const nlohmann::json& state, const std::vector<at::Tensor>& tensors);

 private:
  ControllerOptions options_;
  SamplingLayout layout_;
  uint64_t seed_ = 0;
  std::unique_ptr<ControllerState> state_;
};

}  // namespace vcas::control
