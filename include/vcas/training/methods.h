#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "vcas/control/benefit_gate.h"
#include "vcas/control/controller.h"
#include "vcas/training/baselines.h"
#include "vcas/training/task.h"

namespace vcas::training {

/// How gradients are made, as the user asks for it.
struct MethodOptions {
  std::string name = "vcas";  ///< "exact", "vcas", "sb" or "ub"
  control::ControllerOptions controller = {};
  SelectiveBackpropOptions selective_backprop = {};
  UpperBoundOptions upper_bound = {};
};

/// @param cost of a block, for vcas: see VcasMethod.
/// @throws std::invalid_argument for a name that is none of these.
std::unique_ptr<Method> make_method(const MethodOptions& options, const Task& task, uint64_t seed,
                                    const std::optional<control::EncoderLayerCost>& cost = std::nullopt);

}  // namespace vcas::training
