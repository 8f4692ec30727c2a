#pragma once

#include <cstddef>
#include <vector>

#include "control/state.h"
#include "vcas/control/options.h"

namespace vcas::control {

/// The s of each trial pass over one batch of the window, as trial_passes() handed them out. Policy solve.
std::vector<double> trial_positions(const ControllerState& state, const ControllerOptions& options,
                                    size_t batch);

}  // namespace vcas::control
