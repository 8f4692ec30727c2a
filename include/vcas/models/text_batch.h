#pragma once

#include <ATen/core/Tensor.h>

#include "vcas/nn/batch.h"

namespace vcas::models {

/// Packed texts.
struct TextBatch final : nn::Batch {
  at::Tensor token_ids;       ///< [R] int64
  at::Tensor token_type_ids;  ///< [R] int64
  at::Tensor labels;          ///< [N] int64; undefined when only outputs are wanted
};

}  // namespace vcas::models
