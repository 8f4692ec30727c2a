#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vcas::ops {

/// The rows of some samples of a packed batch, gathered into a compact buffer whose size does not depend on
/// which samples they are. All tensors live on the device; nothing was copied back to make them.
struct PackedRows {
  at::Tensor source_row;  ///< [C] int64: row of the batch behind each compact row; 0 for an unused one
  at::Tensor used;        ///< [C] bool
  at::Tensor slot;        ///< [C] int64: which kept sample the row belongs to
  at::Tensor position;    ///< [C] int64: its position in that sample
  at::Tensor row_of;      ///< [k, longest] int64: compact row at a slot and position; 0 past the sample's end
  at::Tensor valid;       ///< [k, longest] bool
  at::Tensor first_row;   ///< [k] int64: row of the batch that is each kept sample's first
  at::Tensor sample;      ///< [k] int64: which sample; 0 for an unused slot
  at::Tensor sample_used;  ///< [k] bool
};

/// @param offsets  [N+1] int64 CPU. @param kept [k] int64 on any device, ascending; -1 for an unused slot.
/// @param capacity C, at least the rows of the kept samples.
PackedRows rows_of_samples(const at::Tensor& offsets, const at::Tensor& kept, int64_t capacity);

/// The sum of the count longest samples' rows: the capacity that any draw of that many samples fits in.
int64_t row_capacity(const at::Tensor& offsets, int64_t count);
int64_t longest_sample(const at::Tensor& offsets);

}  // namespace vcas::ops
