#include "control/window.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "vcas/sampling/distance.h"
#include "vcas/sampling/variance.h"

namespace vcas::control {
namespace {

void check_stats(const std::vector<sampling::SamplingStats>& blocks, const BatchObservation& observation,
                 const SamplingLayout& layout) {
  const auto samples = static_cast<int64_t>(observation.offsets.size()) - 1;
  const int64_t rows = observation.offsets.back();
  TORCH_CHECK(blocks.size() == layout.blocks.size(), "controller: expected statistics of ",
              layout.blocks.size(), " blocks, got ", blocks.size());
  for (size_t l = 0; l < blocks.size(); ++l) {
    const auto& [norms, scores, flops] = blocks[l];
    const auto linears = static_cast<int64_t>(layout.blocks[l].size());
    TORCH_CHECK(norms.defined() && norms.dim() == 1 && norms.numel() == samples, "controller: expected ",
                samples, " sample norms of block ", l, ", got ", norms.defined() ? norms.numel() : 0);
    TORCH_CHECK(linears == 0 || (scores.defined() && scores.dim() == 2 && scores.size(0) == linears &&
                                 scores.size(1) == rows),
                "controller: expected row scores [", linears, ", ", rows, "] of block ", l, ", got ",
                scores.defined() ? scores.sizes() : at::IntArrayRef{});
  }
}

std::vector<at::Tensor> statistics_tensors(const std::vector<sampling::SamplingStats>& blocks) {
  std::vector<at::Tensor> tensors;
  for (const sampling::SamplingStats& stats : blocks) {
    if (stats.sample_norms.defined()) tensors.push_back(stats.sample_norms);
    if (stats.row_scores.defined()) tensors.push_back(stats.row_scores);
  }
  return tensors;
}

at::Tensor host_copy(const at::Tensor& tensor) {
  if (!tensor.defined()) return at::empty({0, 0}, at::kDouble);
  return tensor.detach().to(at::kCPU, at::kDouble, /*non_blocking=*/false, /*copy=*/true).contiguous();
}

}  // namespace

void check_observation(const BatchObservation& observation, const SamplingLayout& layout, Policy policy,
                       int64_t passes) {
  const auto& offsets = observation.offsets;
  TORCH_CHECK(offsets.size() >= 2 && offsets.front() == 0 && std::is_sorted(offsets.begin(), offsets.end()),
              "controller: expected ascending offsets of at least one sample, from 0");
  check_stats(observation.exact, observation, layout);
  TORCH_CHECK(static_cast<int64_t>(observation.sampled_squared_error.size()) == passes,
              "controller: expected ", passes, " sampled passes, got squared errors of ",
              observation.sampled_squared_error.size());
  if (policy == Policy::paper) {
    TORCH_CHECK(static_cast<int64_t>(observation.sampled.size()) == passes,
                "controller: expected statistics of ", passes, " sampled passes, got ",
                observation.sampled.size());
    for (const auto& pass : observation.sampled) check_stats(pass, observation, layout);
  }
  const auto gradients = static_cast<int64_t>(observation.exact_gradients.size());
  for (const auto& block : layout.blocks) {
    for (const auto& linear : block) {
      TORCH_CHECK(!linear.trainable || linear.gradient_index < gradients, "controller: expected a gradient ",
                  linear.gradient_index, " of ", linear.name, ", got ", gradients, " gradients");
    }
  }
}

bool is_finite(const BatchObservation& observation, const WindowBatch& batch) {
  const auto finite = [](const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
  };
  // A square in float64 of float32 values cannot overflow.
  return finite(batch.squared_errors) && finite(batch.gradient_squares) &&
         all_finite(statistics_tensors(observation.exact)) &&
         std::all_of(observation.sampled.begin(), observation.sampled.end(),
                     [](const auto& pass) { return all_finite(statistics_tensors(pass)); });
}

WindowBatch window_batch(const BatchObservation& observation) {
  WindowBatch batch;
  batch.offsets = observation.offsets;
  for (const sampling::SamplingStats& stats : observation.exact) {
    batch.sample_norms.push_back(host_copy(stats.sample_norms));
    batch.row_scores.push_back(host_copy(stats.row_scores));
  }
  batch.squared_errors = observation.sampled_squared_error;
  for (const at::Tensor& gradient : observation.exact_gradients)
    batch.gradient_squares.push_back(sampling::squared_norm(gradient));
  return batch;
}

int64_t compact_rows(const SamplingLayout::Linear& linear, const WindowBatch& batch, int64_t kept_samples) {
  const double kept_share = static_cast<double>(kept_samples) / static_cast<double>(batch.samples());
  return sampling::count_from_ratio(kept_share, linear.one_row_per_sample ? batch.samples() : batch.rows());
}

std::vector<double> mean_keep_ratios(const std::vector<std::vector<at::Tensor>>& newest,
                                     const NormHistory& history, double s) {
  std::vector<double> sum(newest.front().size(), 0);
  double weight = 1, total = 0;
  const auto add = [&](const std::vector<std::vector<at::Tensor>>& batches) {
    for (const auto& norms : batches) {
      const auto ratios = sampling::keep_ratios(norms, s);
      for (size_t l = 0; l < sum.size(); ++l) sum[l] += weight * ratios[l];
      total += weight;
    }
    weight /= 2;
  };
  add(newest);
  for (const auto& window : history) add(window);
  for (double& ratio : sum) ratio /= total;
  return sum;
}

std::vector<std::vector<at::Tensor>> norms_of(const std::vector<WindowBatch>& batches) {
  std::vector<std::vector<at::Tensor>> norms;
  norms.reserve(batches.size());
  for (const WindowBatch& batch : batches) norms.push_back(batch.sample_norms);
  return norms;
}

}  // namespace vcas::control
