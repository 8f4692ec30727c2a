#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vcas::sampling {

/// Inclusion probabilities p_i = min(1, c·weights_i) with Σ p_i = count ("water filling": entries that reach
/// 1 are fixed and the rest is rescaled). Fewer than count positive weights: those get 1, the others share
/// what is left. All weights zero: count/n each. A NaN or Inf among the weights: the first `count` entries 1,
/// others 0 (the draw's scales are then NaN, see draw.h).
/// @param weights [n] non-negative float tensor on any device.
/// @param count   expected sample size, 1 ≤ count ≤ n.
/// @return [n] float64 on the same device. No device-to-host copy.
/// @throws c10::Error "inclusion_probabilities: expected count in [1, 32], got 40".
/// Source: Tillé, Sampling Algorithms (2006), 2.10; VCAS (arXiv 2402.17227), section 4.
at::Tensor inclusion_probabilities(const at::Tensor& weights, int64_t count);

/// The same out of ordinary tensor operations, on any device: what a tensor that is not on the CPU runs.
at::Tensor inclusion_probabilities_generic(const at::Tensor& weights, int64_t count);

}  // namespace vcas::sampling
