#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "control/solver.h"
#include "control/state.h"
#include "vcas/control/sampler.h"

namespace vcas::control {

/// The learning part of a Sampler (vcas/control/sampler.h): everything but the gate. Its member functions are
/// the Sampler's of the same names.
class VarianceController {
 public:
  VarianceController(const ControllerOptions& options, sampling::SamplingLayout layout, uint64_t seed);
  VarianceController(const VarianceController&) = delete;
  VarianceController& operator=(const VarianceController&) = delete;

  bool adapts(int64_t micro_batch, bool full_size) const;
  sampling::SamplingPlan plan() const;
  /// Share of the gradient norms that SampleA keeps for certain (ALGORITHM.md, "Keep ratios").
  double s() const { return state_.ratios.s; }
  std::vector<PassRequest> trial_passes(const sampling::PassStatistics& exact) const;

  void observe(int64_t micro_batch, const Observation& observation);
  std::optional<std::vector<double>> statistics() const;
  bool solve(const std::vector<double>& sums);

  int64_t adaptations() const { return state_.adaptations; }
  const AdaptationReport& last_report() const { return state_.report; }
  const ControllerOptions& options() const { return options_; }

  nlohmann::json state() const;
  std::vector<at::Tensor> state_tensors() const;
  void load_state(const nlohmann::json& state, const std::vector<at::Tensor>& tensors);

 private:
  /// A micro-batch between observe() and its last solve().
  struct Observed {
    int64_t micro_batch = 0;
    bool finite = true;
    // Of a complete window:
    double ranks = 0;
    double kept_work = 0;  ///< of the ratios that it ran with
    std::unique_ptr<RatioSolver> solver = {};
  };

  void add_to_window(int64_t micro_batch, const Observation& observation, WindowBatch batch);
  void close_window();

  ControllerOptions options_;
  sampling::SamplingLayout layout_;
  uint64_t seed_ = 0;
  ControllerState state_;
  std::optional<Observed> observed_;
};

}  // namespace vcas::control
