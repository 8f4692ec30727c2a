#pragma once

#include <cstdint>
#include <vector>

#include "control/row_variance.h"
#include "control/window.h"

namespace vcas::control {

/// One outcome of SampleA over all blocks: 1/P_i of every sample at every block, 0 where it is dropped. P_i
/// is the product of the sample's conditional inclusion probabilities from the topmost block of the chain
/// down.
struct ReplayedDraw {
  std::vector<std::vector<double>> scale;  ///< [block][N]
  std::vector<int64_t> kept;               ///< by block, k of SampleA
};

/// Draws SampleA as a backward pass would, on recorded norms: at each block with weights ‖G_l[i]‖/P_i of the
/// samples that are still alive. Without layers that mix samples the gradient of a kept sample is that of the
/// exact pass divided by P_i, so the norms are all it takes. A block that does not sample activations passes
/// on what arrives.
/// @param rho keep ratio by block. @param stream draws are numbered by its draw field.
ReplayedDraw replay_draw(const sampling::SamplingLayout& layout, const WindowBatch& batch,
                         const std::vector<double>& rho, sampling::DrawMethod method,
                         const sampling::StreamKey& stream);

/// The rows of one weight that a replayed draw leaves, with their leverage scores ŵ_r = w_r/P_i.
SampledRows sampled_rows(const Place& place, const WindowBatch& batch, const ReplayedDraw& draw);

}  // namespace vcas::control
