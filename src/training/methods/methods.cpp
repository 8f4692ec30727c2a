#include "vcas/training/methods/methods.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>
#include <utility>

#include "vcas/training/methods/exact.h"
#include "vcas/training/methods/vcas.h"

namespace vcas::training {

const std::vector<std::string>& method_names() {
  static const std::vector<std::string> names = {"vcas", "exact", "sb", "ub"};
  return names;
}

std::unique_ptr<Method> make_method(const MethodOptions& options, const nn::Model& model, uint64_t seed,
                                    control::BlockCosts costs) {
  if (options.name == "exact") return std::make_unique<ExactMethod>();
  if (options.name == "vcas")
    return std::make_unique<VcasMethod>(options.controller, model, seed, std::move(costs));
  if (options.name == "sb")
    return std::make_unique<SelectiveBackprop>(options.selective_backprop, model.layout(), seed);
  if (options.name == "ub") {
    return std::make_unique<UpperBoundSampling>(options.upper_bound, options.controller.draw_method,
                                                model.layout(), seed);
  }
  throw std::invalid_argument(
      fmt::format("method: expected one of {}, got {}", fmt::join(method_names(), ", "), options.name));
}

}  // namespace vcas::training
