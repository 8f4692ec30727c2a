#pragma once

#include <ATen/core/Tensor.h>

namespace vcas::ops::kernels {

/// An uninitialised contiguous CPU tensor whose memory comes from memory_pool() and returns there with the
/// last reference to its storage. Below 64 KiB an ordinary tensor: malloc keeps such blocks itself.
at::Tensor pooled_empty(at::IntArrayRef sizes, at::ScalarType type);

/// The same, filled with zeros.
at::Tensor pooled_zeros(at::IntArrayRef sizes, at::ScalarType type);

}  // namespace vcas::ops::kernels
