#pragma once

#include "control/state.h"

namespace vcas::control {

/// Policy solve: the ratios at which the expected variances are 0.8 of their budgets, in one step.
///
/// All variances are taken in units of the squared gradient scale, the mean over a window's batches of
/// (Σ_i ‖G_L[i]‖)², L the topmost block: when the loss falls from one window to the next, V_s and V_act fall
/// together and the average over windows keeps its meaning; and what one batch has more gradient than another
/// cancels.
///   V_s, V_s,w   averages over windows in log scale (log_average.h)
///   V_act(s)     a power law of 1-s through the window's squared errors (variance_curve.h)
///   ρ            mean over the batches of max_{j ≤ l} p_j(s), no average over windows
///   V_w(ν)       expected over replayed draws of SampleA at that ρ (nested_replay.h)
/// @param stream seed and micro-batch of the replayed draws.
void solve_ratios(ControllerState& state, const ControllerOptions& options, const SamplingLayout& layout,
                  const sampling::StreamKey& stream);

/// The s of each sampled pass over one batch of the window, as probe_plans() handed them out.
std::vector<double> probe_positions(const ControllerState& state, const ControllerOptions& options,
                                    size_t batch);

}  // namespace vcas::control
