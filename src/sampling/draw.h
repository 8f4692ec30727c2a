#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "vcas/sampling/plan.h"
#include "vcas/sampling/stream.h"

namespace vcas::sampling {

/// The outcome of a draw: which entries are kept and by what their gradients are multiplied.
struct Draw {
  /// [k] int64, ascending; an unused slot (bernoulli) holds -1 and stands at the end.
  at::Tensor indices;
  /// [k] float64: 1/p of each kept entry; 0 for an unused slot and when all weights are zero; NaN when a
  /// weight is not finite.
  at::Tensor scales;
};

/// Draws entries with probability proportional to weights (inclusion.h), unbiased: E Σ_kept scale·g = Σ g.
/// fixed: randomised systematic sampling, exactly `count` distinct entries. bernoulli: each independently, a
/// zero weight never; the result has n slots, so that shapes never depend on the draw.
/// @param weights [n] non-negative float tensor on any device.
/// @param count   1 ≤ count ≤ n.
/// @param stream  names the random numbers; the same stream gives the same draw on every device.
/// @throws c10::Error as inclusion_probabilities.
/// Source: Hartley and Rao (1962); Tillé, Sampling Algorithms (2006), 7.2.
Draw draw(const at::Tensor& weights, int64_t count, DrawMethod method, const StreamKey& stream);

/// The same draw out of ordinary tensor operations, on any device, without a device-to-host copy: what draw()
/// runs on a tensor that is not on the CPU.
Draw draw_generic(const at::Tensor& weights, int64_t count, DrawMethod method, const StreamKey& stream);

/// SampleA: which samples one block's backward pass keeps; all of them, by 1, under a plan that does not
/// sample.
/// @param norms [N] float64, of the gradients that arrive at the block's output.
Draw draw_samples(const at::Tensor& norms, const BlockPlan& plan);

/// Uniform numbers in (0, 1) of entries 0..n-1 of a stream: (b + 1/2)·2^-52, b the upper 52 of the entry's 64
/// bits.
/// @return [n] float64 on `like`'s device.
at::Tensor uniform(int64_t n, const StreamKey& stream, const at::Tensor& like);

}  // namespace vcas::sampling
