#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "vcas/sampling/stream.h"

namespace vcas::ops {

/// Which implementation an operator runs. Plain is made of ordinary tensor operations: right on every device
/// and dtype, and what the kernels are tested against.
enum class Implementation { automatic, plain };

/// A pass's random numbers as the small int64 CPU tensor [seed, micro_batch, layer] that operators
/// take, so that no argument of theirs changes from step to step.
at::Tensor make_rng_tensor(const sampling::StreamKey& stream);
sampling::StreamKey read_rng(const at::Tensor& rng, sampling::Site site);

/// Multipliers of inverted dropout: 0 with probability p, else 1/(1-p); a pure function of the stream, the
/// row and the column, so that nothing is stored and a mask survives the compaction of its rows. By ordinary
/// tensor operations.
/// @param rows [R] int64, rows of the uncompacted batch. @param like gives the dtype. @return [R, columns].
/// Element (row, column) is dropped when word column % 4 of Philox block (column / 4, row) is below
/// round(p·2³²).
at::Tensor dropout_mask(const at::Tensor& rows, int64_t columns, const at::Tensor& rng, sampling::Site site,
                        double p, const at::Tensor& like);

/// x · dropout_mask of rows 0..R-1, differentiable; p = 0 gives x itself.
/// @param x [R, columns].
at::Tensor dropout(const at::Tensor& x, const at::Tensor& rng, sampling::Site site, double p,
                   Implementation implementation = Implementation::automatic);

}  // namespace vcas::ops
