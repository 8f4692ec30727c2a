#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "control/gradient_dispersion.h"
#include "vcas/control/options.h"
#include "vcas/control/sampler.h"
#include "vcas/sampling/layout.h"
#include "vcas/sampling/statistics.h"

namespace vcas::control {

/// Measurements of one batch of a window, kept until the window closes.
struct WindowBatch {
  /// Of the exact pass, float64 on the CPU. Scores of those weights alone that are solved for from them.
  std::vector<sampling::BlockStatistics> blocks = {};
  std::vector<double> squared_errors = {};    ///< by trial pass
  std::vector<double> gradient_squares = {};  ///< by parameter, ‖g_i‖² of the exact pass
  /// SampleW's variance on the rows that the trial passes reported, mean over them: [block][weight]. Policy
  /// paper.
  std::vector<std::vector<double>> sampled_row_variance = {};
};

/// An adaptation under way.
struct Window {
  int64_t start = 0;  ///< micro-batch of its first batch
  GradientDispersion gradients;
  std::vector<WindowBatch> batches;
};

/// A weight whose row keep ratio is learned.
struct Place {
  size_t block;
  size_t weight;
  /// Weights with a learned ratio that name the same gradient: they share its budget.
  double uses = 1;
};

/// Trainable weights outside and above blocks that mix samples. In and below such a block of a chain the
/// gradient of a kept sample depends on which others were kept, so that no replay of draws gives its
/// variance: weights there keep every row.
std::vector<Place> learned_weights(const sampling::SamplingLayout& layout);

/// N of a block; 0 where nothing of it is measured.
int64_t samples_of(const sampling::BlockStatistics& block);

/// @throws c10::Error naming what does not fit.
void check_observation(const Observation& observation, const sampling::SamplingLayout& layout,
                       const ControllerOptions& options);
/// @param batch window_batch() of the observation.
bool is_finite(const Observation& observation, const WindowBatch& batch);
WindowBatch window_batch(const Observation& observation, const sampling::SamplingLayout& layout,
                         Policy policy);

/// Sample norms of past windows, newest first: [window][batch][block].
using NormHistory = std::vector<std::vector<std::vector<at::Tensor>>>;

/// Keep ratios at s by block: the mean over batches of max_{j ≤ l} p_j(s), a batch of the window before
/// counting half as much as one of `newest`, one of the window before that a quarter, and so on.
/// @param newest [batch][block] sample norms of the window in hand.
std::vector<double> mean_keep_ratios(const sampling::SamplingLayout& layout,
                                     const std::vector<std::vector<at::Tensor>>& newest,
                                     const NormHistory& history, double s);

/// [batch][block] sample norms of a window.
std::vector<std::vector<at::Tensor>> norms_of(const std::vector<WindowBatch>& batches);

}  // namespace vcas::control
