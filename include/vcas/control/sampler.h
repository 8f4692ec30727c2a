#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "vcas/control/costs.h"
#include "vcas/control/gate.h"
#include "vcas/control/options.h"
#include "vcas/sampling/counts.h"
#include "vcas/sampling/layout.h"
#include "vcas/sampling/plan.h"
#include "vcas/sampling/statistics.h"

namespace vcas::control {

/// Place of a micro-batch in the run.
struct MicroBatchInfo {
  int64_t number = 0;     ///< counted over the whole run, alike on every rank
  bool full_size = true;  ///< false for a smaller last one of an epoch; on every rank alike
  int64_t step = 0;       ///< optimizer step
  int64_t index = 0;      ///< among the micro-batches of that step
  int64_t count = 1;      ///< micro-batches of that step
};

/// A backward pass that is to be run.
struct PassRequest {
  sampling::SamplingPlan plan = {};
  bool statistics = false;  ///< true: its statistics are wanted
};

/// Result of a trial pass.
struct TrialResult {
  double squared_error = 0;  ///< ‖g_ij - g_i‖² over the parameters below the topmost SampleA
  sampling::PassStatistics statistics = {};  ///< where they were asked for
};

/// Results of the passes over a measuring micro-batch.
struct Observation {
  sampling::PassStatistics exact = {};
  /// Exact gradients of the parameters below the topmost SampleA, float32, unscaled and unclipped, in the
  /// order that SampledWeight::gradient counts. Copied where they are needed later.
  std::vector<at::Tensor> gradients = {};
  std::vector<TrialResult> trials = {};  ///< one a request of trial_passes()
};

/// Findings of an adaptation, for the log. Policy paper: what the window measured, at the ratios it ran with.
/// Policy solve: the averaged V_s that the budgets were taken from, and V_act and V_w as expected at the new
/// ratios. Of one rank's micro-batches; with several ranks the mean over them.
struct AdaptationReport {
  double v_sgd = 0, v_act = 0, v_w = 0;  ///< v_w: sum over weights
  double s = 1;                          ///< after the adaptation
};

/// Shares of V_s that the variances of sampling may reach.
struct VarianceBudgets {
  double act_var_tau = 0;  ///< of V_act
  double w_var_tau = 0;    ///< of V_w, weight by weight
};

/// Present ratios and their origin, for the log.
struct SamplerStatus {
  double s = 1;
  std::vector<double> sample_keep_ratio;         ///< rho, by block
  std::map<std::string, double> row_keep_ratio;  ///< nu, by trainable weight
  std::optional<AdaptationReport> last_adaptation;
  /// Of the last plan(); nothing where no costs are known, and after a measuring micro-batch.
  std::optional<GatedParts> gated;
  VarianceBudgets budgets;
};

class VarianceController;

/// The one sampling protocol: which backward passes a micro-batch needs, and what each must report. C++ and
/// Python trainers drive it alike:
///
///   if (!sampler.measures(info)) {
///     run one pass under sampler.plan(rows)
///   } else {
///     run sampler.exact_pass(), whose gradient trains, and, over the same forward pass,
///     sampler.trial_passes(statistics of the exact one)
///     sampler.observe(info, observation)
///     while (const auto numbers = sampler.statistics()) sampler.solve(sum of *numbers over ranks)
///   }
///
/// It learns how much to keep so that sampling adds at most a small fraction of the variance that SGD has
/// anyway, and takes out of each plan what would cost more than it saves (gate.h). It knows no model, no
/// operator and no communicator: norms, gradients and sums of float64 in, plans out. With several ranks each
/// has a Sampler and is given the same options, layout, infos and sums, so that all hold the same s, rho and
/// nu; everything else is of its own micro-batches.
///
/// An adaptation is a window of M full-size micro-batches, from the first one that is due. Due are: policy
/// paper 0, F, 2F, … after the start of the last window; policy solve 0, F/4, F/2, F, because ratios change
/// fastest at the start of a run and what is not sampled there is lost, and then every F, or, while a window
/// leaves the ratios about as they were, twice the interval that led to it, up to cal_var_stretch·F. Source:
/// ALGORITHM.md, "Variance control"; VCAS (arXiv 2402.17227), section 5.
class Sampler {
 public:
  /// @param costs by block of the layout, or empty. @throws c10::Error for an option out of range, a layout
  /// that check() refuses, or costs that do not fit it.
  Sampler(const ControllerOptions& options, sampling::SamplingLayout layout, uint64_t seed,
          BlockCosts costs = {});
  ~Sampler();
  Sampler(Sampler&&) noexcept;
  Sampler& operator=(Sampler&&) noexcept;

  /// True for a micro-batch that belongs to an adaptation. Only full-size micro-batches do: a smaller one
  /// postpones it.
  bool measures(const MicroBatchInfo& info) const;

  /// The plan of an ordinary pass: exact until an adaptation has found something to leave out. @param rows by
  /// block.
  sampling::SamplingPlan plan(const std::vector<sampling::BlockRows>& rows);
  /// Plan of an ordinary pass before the gate.
  sampling::SamplingPlan ungated_plan() const;

  /// The pass of a measuring micro-batch whose gradient trains.
  PassRequest exact_pass() const;
  /// After it: the M passes that measure, with SampleA alone, draw numbers 1.. distinct over the whole
  /// window. A caller may run them in any order. @param exact what the exact pass reported; its sample norms
  /// are read.
  std::vector<PassRequest> trial_passes(const sampling::PassStatistics& exact) const;

  /// Takes a measuring micro-batch; statistics() and solve() finish it. One with a non-finite norm or
  /// gradient, on any rank, leaves the state as it was before the window.
  /// @throws c10::Error naming what of the observation does not fit the layout.
  void observe(const MicroBatchInfo& info, const Observation& observation);

  /// Numbers of this rank whose sums over ranks the next solve() takes; as many on every rank. Nothing: there
  /// is nothing (more) to solve.
  std::optional<std::vector<double>> statistics() const;
  /// @param sums of statistics() over ranks; with one process, those themselves.
  /// @return true when this closed an adaptation: the ratios are new.
  bool solve(const std::vector<double>& sums);

  SamplerStatus status() const;
  const sampling::SamplingLayout& layout() const { return layout_; }
  const BlockCosts& costs() const { return gate_.costs(); }

  /// Everything that a checkpoint must hold: numbers, the costs in force among them, and tensors (gradient
  /// sums and norms of a window under way, norms of past ones). Between micro-batches alone. Ratios are those
  /// of all ranks, norms are this rank's.
  nlohmann::json state() const;
  std::vector<at::Tensor> state_tensors() const;
  /// Costs of the state take the place of those in force. A state that is refused changes nothing.
  /// @throws c10::Error naming what does not fit: "sampler state: expected version 2, got none".
  void load_state(const nlohmann::json& state, const std::vector<at::Tensor>& tensors);

 private:
  sampling::SamplingLayout layout_;
  std::unique_ptr<VarianceController> controller_;
  BenefitGate gate_;
  std::optional<GatedParts> gated_;
};

}  // namespace vcas::control
