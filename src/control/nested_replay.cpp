#include "control/nested_replay.h"

#include "vcas/sampling/host.h"

namespace vcas::control {

ReplayedDraw replay_draw(const WindowBatch& batch, const std::vector<double>& rho,
                         sampling::DrawMethod method, const sampling::StreamKey& stream) {
  const int64_t samples = batch.samples();
  const size_t blocks = batch.sample_norms.size();
  ReplayedDraw result{std::vector<std::vector<double>>(blocks), std::vector<int64_t>(blocks)};
  std::vector<double> scale(static_cast<size_t>(samples), 1.0);
  for (size_t l = blocks; l-- > 0;) {
    result.kept[l] = sampling::count_from_ratio(rho[l], samples);
    const double* norms = batch.sample_norms[l].const_data_ptr<double>();
    std::vector<double> weights(scale.size());
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = norms[i] * scale[i];
    sampling::StreamKey block_stream = stream;
    block_stream.layer = static_cast<uint32_t>(l);
    const auto draw = sampling::draw(weights, result.kept[l], method, block_stream);
    std::vector<double> kept_scale(scale.size(), 0.0);
    for (size_t slot = 0; slot < draw.indices.size(); ++slot) {
      const auto i = static_cast<size_t>(draw.indices[slot]);
      kept_scale[i] = scale[i] * draw.scales[slot];
    }
    scale = kept_scale;
    result.scale[l] = std::move(kept_scale);
  }
  return result;
}

SampledRows sampled_rows(const SamplingLayout::Linear& linear, size_t block, size_t index,
                         const WindowBatch& batch, const ReplayedDraw& draw) {
  const double* scores =
      batch.row_scores[block].const_data_ptr<double>() + index * static_cast<size_t>(batch.rows());
  const std::vector<double>& scale = draw.scale[block];
  std::vector<double> kept;
  kept.reserve(static_cast<size_t>(batch.rows()));
  for (size_t i = 0; i < scale.size(); ++i) {
    if (scale[i] == 0) continue;
    const auto begin = linear.one_row_per_sample ? static_cast<int64_t>(i) : batch.offsets[i];
    const auto end = linear.one_row_per_sample ? begin + 1 : batch.offsets[i + 1];
    for (int64_t r = begin; r < end; ++r) kept.push_back(scores[r] * scale[i]);
  }
  return {RowVariance(std::move(kept)), compact_rows(linear, batch, draw.kept[block])};
}

}  // namespace vcas::control
