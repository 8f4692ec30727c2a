#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "control/gradient_dispersion.h"
#include "vcas/control/controller.h"

namespace vcas::control {

/// What is kept of one batch of a window until the window closes.
struct WindowBatch {
  std::vector<int64_t> offsets;
  std::vector<at::Tensor> sample_norms;  ///< by block, [N] float64 CPU
  std::vector<at::Tensor> row_scores;    ///< by block, [linears, R] float64 CPU
  std::vector<double> squared_errors;    ///< by sampled pass
  std::vector<double> gradient_squares;  ///< by parameter, ‖g_i‖² of the exact pass
  /// SampleW's variance on the rows that the sampled passes reported, mean over them: [block][linear]. Policy
  /// paper.
  std::vector<std::vector<double>> sampled_row_variance;

  int64_t samples() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t rows() const { return offsets.back(); }
};

/// An adaptation under way.
struct Window {
  int64_t start = 0;  ///< micro-batch of its first batch
  GradientDispersion gradients;
  std::vector<WindowBatch> batches;
};

/// @param policy only paper reads the statistics of the sampled passes.
/// @throws c10::Error naming what does not fit.
void check_observation(const BatchObservation& observation, const SamplingLayout& layout, Policy policy,
                       int64_t passes);
/// @param batch what window_batch() made of the observation.
bool is_finite(const BatchObservation& observation, const WindowBatch& batch);
WindowBatch window_batch(const BatchObservation& observation);

/// Rows of a linear that SampleA leaves: round(kept/N·rows), of which SampleW's count is a share.
int64_t compact_rows(const SamplingLayout::Linear& linear, const WindowBatch& batch, int64_t kept_samples);

/// Sample norms of past windows, newest first: [window][batch][block].
using NormHistory = std::vector<std::vector<std::vector<at::Tensor>>>;

/// Keep ratios at s by block: the mean over batches of max_{j ≤ l} p_j(s), a batch of the window before
/// counting half as much as one of `newest`, one of the window before that a quarter, and so on.
/// @param newest [batch][block] sample norms of the window in hand.
std::vector<double> mean_keep_ratios(const std::vector<std::vector<at::Tensor>>& newest,
                                     const NormHistory& history, double s);

/// [batch][block] sample norms of a window.
std::vector<std::vector<at::Tensor>> norms_of(const std::vector<WindowBatch>& batches);

}  // namespace vcas::control
