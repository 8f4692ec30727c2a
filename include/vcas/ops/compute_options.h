#pragma once

#include "vcas/ops/precision.h"

namespace vcas::ops {

/// How the blocks of a model compute.
struct ComputeOptions {
  Precision precision = Precision::float32;  ///< of the blocks' linears
  /// Blocks keep only their input; a backward pass computes the samples that it keeps once more. The result
  /// is the same (TransformerLayerOptions::recompute).
  bool recompute = false;
};

}  // namespace vcas::ops
