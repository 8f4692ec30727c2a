#pragma once

#include <nlohmann/json.hpp>

namespace vcas::report {

/// @param pointer "/flops/reduction". @throws std::invalid_argument "summary.flops.reduction: expected a
/// number, got null".
double number_at(const nlohmann::json& summary, const char* pointer);

}  // namespace vcas::report
