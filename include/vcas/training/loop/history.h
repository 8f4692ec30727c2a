#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "vcas/nn/model.h"

namespace vcas::training {

/// Floating point operations: what exact training of the same packed batches performs, and what was
/// performed.
struct FlopCount {
  double exact = 0;
  double performed = 0;
};

/// One optimizer step, as it went.
struct StepReport {
  int64_t step = 0;  ///< steps done with this one
  double loss = 0;   ///< mean over the micro-batches
  double learning_rate = 0;
  double gradient_norm = 0;  ///< before clipping
  bool clipped = false;
  double seconds = 0;             ///< wall clock, adaptation included
  double adaptation_seconds = 0;  ///< extra passes and statistics
  FlopCount flops;
};

/// Median and the tenths at either end.
struct Percentiles {
  double median = 0;
  double p10 = 0;
  double p90 = 0;
};

/// Linear interpolation between the two nearest values. @param ascending at least one. @param share in [0,
/// 1].
double quantile(const std::vector<double>& ascending, double share);

/// Quantiles of values in any order. @param values at least one.
Percentiles percentiles(std::vector<double> values);

/// What a run's steps add up to. It is part of every checkpoint, so that a resumed run's summary is of the
/// whole run.
class RunHistory {
 public:
  void add(const StepReport& step);

  int64_t steps() const { return static_cast<int64_t>(losses_.size()); }
  /// Mean loss over the last tenth of the steps, at least 20 of them (all, when there are fewer).
  double train_loss() const;
  /// Means over the last `count` steps.
  double mean_loss(int64_t count) const;
  double mean_seconds(int64_t count) const;
  double train_seconds() const;
  Percentiles step_milliseconds() const;
  double adaptation_seconds() const { return adaptation_seconds_; }
  const FlopCount& flops() const { return flops_; }
  double clipped_fraction() const;

  nlohmann::json numbers() const;
  nn::NamedTensors tensors() const;
  /// @throws c10::Error or nlohmann::json::exception naming what is missing.
  void load(const nlohmann::json& numbers, const nn::NamedTensors& tensors);

 private:
  std::vector<double> losses_;   ///< by step
  std::vector<double> seconds_;  ///< by step
  double adaptation_seconds_ = 0;
  FlopCount flops_;
  int64_t clipped_steps_ = 0;
};

}  // namespace vcas::training
