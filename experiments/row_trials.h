#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "control/gradient_dispersion.h"
#include "control/window.h"
#include "vcas/sampling/layout.h"

namespace vcas::experiments {

struct RowTrialOptions {
  double s = 0.9;  ///< of SampleA, under which SampleW is tried
  std::vector<double> tau = {0.01, 0.025, 0.1};
};

/// Ways to spend SampleW's budget, over windows of two batches: row keep ratios that reach the budget weight
/// by weight, or at least cost the same variance in all, or the same mean of V_w / V_s over weights.
class RowTrials {
 public:
  /// @param parameters below the topmost SampleA: those that gradients are given of.
  RowTrials(const RowTrialOptions& options, const sampling::SamplingLayout& layout,
            const std::vector<at::Tensor>& parameters);

  void add(control::WindowBatch batch, const std::vector<at::Tensor>& gradients);
  /// Prints a JSON line for every window, tau and way.
  void report() const;

 private:
  RowTrialOptions options_;
  sampling::SamplingLayout layout_;
  std::vector<double> sizes_;  ///< numbers in each parameter
  control::GradientDispersion gradients_;
  std::vector<control::WindowBatch> batches_;
};

}  // namespace vcas::experiments
