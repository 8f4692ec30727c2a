#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "arguments.h"
#include "kept_rows.h"

namespace vcas::ops {

/// The kept samples as a batch of their own: their rows of x (x itself when all are kept), and their offsets.
TransformerLayerArguments batch_of_samples(const KeptRows& kept, const TransformerLayerArguments& arguments);

/// The kept rows back in the batch, zero between them. @param compact [kept.count(), H] float32.
/// @return [rows, H].
at::Tensor scatter_rows(const KeptRows& kept, const at::Tensor& compact, int64_t rows);

}  // namespace vcas::ops
