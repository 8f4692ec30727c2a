#include "vcas/training/methods.h"

#include <fmt/format.h>

#include <stdexcept>

namespace vcas::training {

std::unique_ptr<Method> make_method(const MethodOptions& options, const Task& task, uint64_t seed,
                                    const std::optional<control::EncoderLayerCost>& cost) {
  const auto linears = task.sampled_linears();
  if (options.name == "exact") return std::make_unique<ExactMethod>();
  if (options.name == "vcas")
    return std::make_unique<VcasMethod>(options.controller, task.parameters(), linears, seed, cost);
  if (options.name == "sb")
    return std::make_unique<SelectiveBackprop>(options.selective_backprop, linears, seed);
  if (options.name == "ub") {
    return std::make_unique<UpperBoundSampling>(options.upper_bound, options.controller.draw_method, linears,
                                                seed);
  }
  throw std::invalid_argument(fmt::format("method: expected exact, vcas, sb or ub, got {}", options.name));
}

}  // namespace vcas::training
