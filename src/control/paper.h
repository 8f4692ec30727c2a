#pragma once

#include "control/state.h"

namespace vcas::control {

/// Mean over the sampled passes of Σ (1-q)/q ŵ² on the rows that they reported, at the row keep ratios `nu`:
/// [block][linear]. @param passes by pass, by block.
std::vector<std::vector<double>> sampled_row_variance(
    const std::vector<std::vector<sampling::SamplingStats>>& passes, const WindowBatch& batch,
    const Ratios& ratios, const SamplingLayout& layout);

/// The published update rule, one window's measurements in:
///   s ← clamp(s + α·sign(V_act - τ_act·V_s), s_min, 1)
///   ρ ← 0.6·ρ + 0.4·(mean over batches of max_{j ≤ l} p_j(s))
///   ν ← ν/β above the weight's budget τ_w·V_s,w, ν·β below it, within [ν_min, 1]
/// Source: VCAS (arXiv 2402.17227), Eq. 6, 4 and 7 (7 is printed with the sign the wrong way round).
void adapt_as_published(ControllerState& state, const ControllerOptions& options,
                        const SamplingLayout& layout);

}  // namespace vcas::control
