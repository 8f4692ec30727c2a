#include "control/nested_replay.h"

#include <utility>

#include "sampling/host.h"
#include "vcas/sampling/counts.h"

namespace vcas::control {
namespace {

/// Draws one block's samples. @param scale 1/P_i of what arrives. @return 1/P_i of what is kept.
std::vector<double> draw_block(const at::Tensor& sample_norms, const std::vector<double>& scale,
                               int64_t count, sampling::DrawMethod method,
                               const sampling::StreamKey& stream) {
  const double* norms = sample_norms.const_data_ptr<double>();
  std::vector<double> weights(scale.size());
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = norms[i] * scale[i];
  const auto draw = sampling::draw(weights, count, method, stream);
  std::vector<double> kept(scale.size(), 0.0);
  for (size_t slot = 0; slot < draw.indices.size(); ++slot) {
    const auto i = static_cast<size_t>(draw.indices[slot]);
    kept[i] = scale[i] * draw.scales[slot];
  }
  return kept;
}

}  // namespace

ReplayedDraw replay_draw(const sampling::SamplingLayout& layout, const WindowBatch& batch,
                         const std::vector<double>& rho, sampling::DrawMethod method,
                         const sampling::StreamKey& stream) {
  const size_t blocks = batch.blocks.size();
  ReplayedDraw result{std::vector<std::vector<double>>(blocks), std::vector<int64_t>(blocks)};
  std::vector<double> scale;
  for (size_t l = blocks; l-- > 0;) {
    const int64_t samples = samples_of(batch.blocks[l]);
    // A block without weights that samples nothing does not know how many samples there are.
    if (sampling::is_topmost(layout, l) || scale.empty()) scale.assign(static_cast<size_t>(samples), 1.0);
    result.kept[l] = samples;
    if (layout.blocks[l].samples_activations) {
      result.kept[l] = sampling::count_from_ratio(rho[l], samples);
      sampling::StreamKey block_stream = stream;
      block_stream.layer = static_cast<uint32_t>(l);
      scale = draw_block(batch.blocks[l].sample_norms, scale, result.kept[l], method, block_stream);
    }
    result.scale[l] = scale;
  }
  return result;
}

SampledRows sampled_rows(const Place& place, const WindowBatch& batch, const ReplayedDraw& draw) {
  const sampling::BlockStatistics& block = batch.blocks[place.block];
  const auto& [offsets, score_values, squared_norms] = block.weights[place.weight];
  const double* scores = score_values.const_data_ptr<double>();
  const std::vector<double>& scale = draw.scale[place.block];
  std::vector<double> kept;
  kept.reserve(static_cast<size_t>(offsets.back()));
  for (size_t i = 0; i < scale.size(); ++i) {
    if (scale[i] == 0) continue;
    for (int64_t r = offsets[i]; r < offsets[i + 1]; ++r) kept.push_back(scores[r] * scale[i]);
  }
  return {RowVariance(std::move(kept)),
          sampling::available_rows(draw.kept[place.block], samples_of(block), offsets.back())};
}

}  // namespace vcas::control
