#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "control/log_average.h"
#include "control/variance_curve.h"
#include "control/window.h"
#include "vcas/control/options.h"
#include "vcas/control/sampler.h"
#include "vcas/sampling/layout.h"

namespace vcas::control {

/// Ratios that plans are made of.
struct Ratios {
  double s = 1;
  std::vector<double> rho;              ///< by block
  std::vector<std::vector<double>> nu;  ///< [block][weight]
};

/// Everything that the controller has learned and a checkpoint holds.
struct ControllerState {
  explicit ControllerState(const sampling::SamplingLayout& layout);

  Ratios ratios;
  int64_t adaptations = 0;       ///< completed
  int64_t next_due = 0;          ///< micro-batch
  int64_t interval = 0;          ///< from the start of the last window to next_due
  std::optional<Window> window;  ///< the adaptation under way
  AdaptationReport report;

  // Policy solve. Averages and curve are in units of the squared gradient scale (solve.cpp).
  LogAverage gradient_variance;
  std::vector<std::vector<LogAverage>> weight_variance;  ///< [block][weight]
  std::optional<VarianceCurve> curve;
  NormHistory past_norms;
};

/// Numbers and tensors of a state; state_from() inverts both. Continuing from them is exact to the bit.
nlohmann::json numbers_of(const ControllerState& state, const sampling::SamplingLayout& layout,
                          Policy policy);
std::vector<at::Tensor> tensors_of(const ControllerState& state);
/// @throws c10::Error naming what does not fit the layout.
ControllerState state_from(const nlohmann::json& numbers, const std::vector<at::Tensor>& tensors,
                           const sampling::SamplingLayout& layout, Policy policy);

}  // namespace vcas::control
