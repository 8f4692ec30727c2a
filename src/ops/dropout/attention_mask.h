#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vcas::ops {

/// Attention's column of a dropout stream: head << kAttentionHeadShift | key position.
inline constexpr int kAttentionHeadShift = 18;

/// Dropout multipliers of attention probabilities, by ordinary tensor operations.
/// @param query_rows [samples, queries] int64, rows of the uncompacted batch.
/// @return [samples, heads, queries, keys].
at::Tensor attention_dropout_mask(const at::Tensor& query_rows, int64_t heads, int64_t keys,
                                  const at::Tensor& rng, double p, const at::Tensor& like);

}  // namespace vcas::ops
