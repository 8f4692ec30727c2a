#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "vcas/sampling/stream.h"

namespace vcas::sampling {

/// Philox 4x32-10 by ordinary int64 tensor operations, for any device: the same bits as philox.h.
/// @param column_block, row int64 tensors that broadcast, values in [0, 2^32): counter words 0 and 1.
/// @param stream names the key and counter words 2 and 3.
/// @return the four 32-bit words, each an int64 tensor of the broadcast shape with values in [0, 2^32).
std::array<at::Tensor, 4> philox_words(const at::Tensor& column_block, const at::Tensor& row,
                                       const StreamKey& stream);

}  // namespace vcas::sampling
