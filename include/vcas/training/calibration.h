#pragma once

#include <cstdint>

#include "vcas/control/benefit_gate.h"
#include "vcas/ops/precision.h"

namespace vcas::training {

/// What the costs of a block's backward pass depend on here: its sizes, and the threads that are set.
control::CostKey present_cost_key(int64_t hidden_size, int64_t intermediate_size, ops::Precision precision);

/// Measures on this machine what sampling an encoder block costs and saves, with the threads that are set.
/// @param heads of attention. @param seconds about how long; the more, the less noise.
control::EncoderLayerCost measure_encoder_layer_cost(int64_t hidden_size, int64_t intermediate_size,
                                                     int64_t heads, ops::Precision precision, double seconds);

}  // namespace vcas::training
