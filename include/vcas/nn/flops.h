#pragma once

#include "vcas/ops/flops.h"

namespace vcas::nn {

using Flops = ops::Flops;

}  // namespace vcas::nn
