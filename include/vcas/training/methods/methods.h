#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vcas/control/sampler.h"
#include "vcas/nn/model.h"
#include "vcas/training/loop/method.h"
#include "vcas/training/methods/selective_backprop.h"
#include "vcas/training/methods/upper_bound.h"

namespace vcas::training {

/// How gradients are made, as the user asks for it.
struct MethodOptions {
  std::string name = "vcas";  ///< one of method_names()
  control::ControllerOptions controller = {};
  SelectiveBackpropOptions selective_backprop = {};
  UpperBoundOptions upper_bound = {};
};

/// "vcas", "exact", "sb" and "ub".
const std::vector<std::string>& method_names();

/// @param costs of the model's blocks, for vcas: see VcasMethod.
/// @throws std::invalid_argument for a name that is none of these.
std::unique_ptr<Method> make_method(const MethodOptions& options, const nn::Model& model, uint64_t seed,
                                    control::BlockCosts costs = {});

}  // namespace vcas::training
