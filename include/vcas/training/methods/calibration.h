#pragma once

#include <cstdint>
#include <filesystem>

#include "vcas/control/costs.h"
#include "vcas/ops/precision.h"

namespace vcas::training {

/// Measures on this machine what sampling a transformer layer costs and saves, with the threads that are set.
/// @param heads of attention. @param seconds about how long; the more, the less noise.
control::BlockCost measure_transformer_cost(int64_t hidden_size, int64_t intermediate_size, int64_t heads,
                                            ops::Precision precision, double seconds);

/// @throws formats::InputError naming file and key.
control::CostTable read_cost_table(const std::filesystem::path& path);

}  // namespace vcas::training
