#pragma once

#include "control/state.h"

namespace vcas::control {

/// Policy solve: the ratios at which the expected variances are 0.8 of their budgets, in one step.
///
/// Every variance is taken in units of the squared gradient that it belongs to, the mean over a window's
/// batches of ‖g_i‖², of all parameters for V_s and V_act, of one weight for V_s,w: gradients grow and shrink
/// by orders of magnitude within a few windows (60 times in the first 160 steps of MiniLM), while V_s/‖g‖² =
/// 1 - cos(g_1, g_2) hardly moves and can be averaged over windows; and what one batch has more gradient than
/// another cancels.
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
