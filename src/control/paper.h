#pragma once

#include <vector>

#include "control/state.h"

namespace vcas::control {

/// Mean over the trial passes of Σ (1-q)/q ŵ² on the rows that they reported, at the row keep ratios `nu`:
/// [block][weight]; 0 for weights whose ratio is not learned.
std::vector<std::vector<double>> sampled_row_variance(const std::vector<TrialResult>& trials,
                                                      const WindowBatch& batch, const Ratios& ratios,
                                                      const sampling::SamplingLayout& layout);

}  // namespace vcas::control
