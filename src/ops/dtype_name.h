#pragma once

#include <string>

#include "vcas/ops/precision.h"

namespace vcas::ops {

/// As summary.json and cost tables name it.
inline std::string dtype_name(ops::Precision precision) {
  return precision == ops::Precision::bfloat16 ? "bfloat16" : "float32";
}

}  // namespace vcas::ops
