#pragma once

#include <cstdint>

#include "control/state.h"
#include "vcas/control/options.h"

namespace vcas::control {

/// The share of the blocks' backward work that ratios keep, about: input gradients over the kept samples,
/// weight gradients over the kept rows of those.
double kept_work(const Ratios& ratios);

/// Micro-batches from the start of the window that has just closed to the next one (Sampler).
/// @param before kept_work() of the ratios that the window ran with.
int64_t next_interval(const ControllerState& state, const ControllerOptions& options, double before);

}  // namespace vcas::control
