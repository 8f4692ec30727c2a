#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "vcas/sampling/layout.h"
#include "vcas/sampling/stream.h"
#include "vcas/training/loop/method.h"

namespace vcas::training {

/// The random numbers by which a method chooses among the samples of a micro-batch.
sampling::StreamKey selection_stream(uint64_t seed, const MicroBatch& batch);

/// A backward pass over the samples whose weight is not zero. A block at which no other gradient arrives
/// keeps as many as are counted, so that each of them has probability 1; below a block that mixes samples a
/// gradient arrives at every sample, and all are kept.
/// @param weights [N] factors of the samples' losses. @param kept samples counted. @param status what was
/// kept.
MicroBatchGradient backward_of_kept(MicroBatch& batch, const sampling::SamplingLayout& layout,
                                    const std::vector<double>& weights, int64_t kept, double loss_scale,
                                    std::optional<SamplingStatus>& status);

}  // namespace vcas::training
