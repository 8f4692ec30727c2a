#include "control/window.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "sampling/distance.h"
#include "sampling/variance.h"

namespace vcas::control {
namespace {

void check_weight(const sampling::WeightStatistics& measured, const sampling::SampledWeight& weight,
                  int64_t samples, bool needs_scores) {
  const auto& [offsets, scores, squared_norms] = measured;
  TORCH_CHECK(!offsets.empty() && static_cast<int64_t>(offsets.size()) == samples + 1 &&
                  offsets.front() == 0 && std::is_sorted(offsets.begin(), offsets.end()),
              "controller: expected ", samples + 1, " ascending offsets of ", weight.name, ", from 0, got ",
              offsets.size());
  TORCH_CHECK(scores.defined() || !needs_scores, "controller: expected row scores [", offsets.back(), "] of ",
              weight.name, ", got none");
  TORCH_CHECK(!scores.defined() || (scores.dim() == 1 && scores.numel() == offsets.back()),
              "controller: expected row scores [", offsets.back(), "] of ", weight.name, ", got ",
              scores.defined() ? scores.sizes() : at::IntArrayRef{});
}

/// @param needs_scores [block][weight].
void check_pass(const sampling::PassStatistics& pass, const sampling::SamplingLayout& layout,
                const std::vector<std::vector<bool>>& needs_scores) {
  TORCH_CHECK(pass.blocks.size() == layout.blocks.size(), "controller: expected statistics of ",
              layout.blocks.size(), " blocks, got ", pass.blocks.size());
  for (size_t l = 0; l < layout.blocks.size(); ++l) {
    const auto& block = layout.blocks[l];
    const auto& [norms, weights] = pass.blocks[l];
    TORCH_CHECK(norms.defined() ? norms.dim() == 1 && norms.numel() >= 1 : !block.samples_activations,
                "controller: expected sample norms [N] of ", block.name, ", got ",
                norms.defined() ? norms.sizes() : at::IntArrayRef{});
    TORCH_CHECK(weights.size() == block.weights.size(), "controller: expected statistics of ",
                block.weights.size(), " weights of ", block.name, ", got ", weights.size());
    const int64_t samples = samples_of(pass.blocks[l]);
    if (!sampling::is_topmost(layout, l)) {
      const int64_t above = samples_of(pass.blocks[l + 1]);
      TORCH_CHECK(samples == above || samples == 0 || above == 0, "controller: expected ", above,
                  " samples in ", block.name, " as in ", layout.blocks[l + 1].name, ", got ", samples);
    }
    for (size_t w = 0; w < weights.size(); ++w)
      check_weight(weights[w], block.weights[w], samples, needs_scores[l][w]);
  }
}

std::vector<at::Tensor> statistics_tensors(const sampling::PassStatistics& pass) {
  std::vector<at::Tensor> tensors;
  for (const auto& block : pass.blocks) {
    if (block.sample_norms.defined()) tensors.push_back(block.sample_norms);
    for (const auto& weight : block.weights) {
      if (weight.scores.defined()) tensors.push_back(weight.scores);
    }
  }
  return tensors;
}

at::Tensor host_copy(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  return tensor.detach().to(at::kCPU, at::kDouble, /*non_blocking=*/false, /*copy=*/true).contiguous();
}

/// [block][weight]: whether the row keep ratio of a weight is learned.
std::vector<std::vector<bool>> learned(const sampling::SamplingLayout& layout, bool wanted = true) {
  std::vector<std::vector<bool>> result;
  for (const auto& block : layout.blocks) result.emplace_back(block.weights.size(), false);
  for (const auto& [block, weight, uses] : learned_weights(layout)) result[block][weight] = wanted;
  return result;
}

}  // namespace

std::vector<Place> learned_weights(const sampling::SamplingLayout& layout) {
  const auto below_mixing = sampling::below_mixing_blocks(layout);
  std::vector<Place> places;
  std::map<int64_t, double> uses;
  for (size_t l = 0; l < layout.blocks.size(); ++l) {
    for (size_t w = 0; w < layout.blocks[l].weights.size(); ++w) {
      const auto& weight = layout.blocks[l].weights[w];
      if (!weight.trainable || layout.blocks[l].mixes_samples || below_mixing[l]) continue;
      places.push_back({l, w});
      ++uses[weight.gradient];
    }
  }
  for (auto& [block, weight, shared] : places) shared = uses[layout.blocks[block].weights[weight].gradient];
  return places;
}

int64_t samples_of(const sampling::BlockStatistics& block) {
  if (block.sample_norms.defined()) return block.sample_norms.numel();
  if (block.weights.empty()) return 0;
  return static_cast<int64_t>(block.weights.front().offsets.size()) - 1;
}

void check_observation(const Observation& observation, const sampling::SamplingLayout& layout,
                       const ControllerOptions& options) {
  const bool paper = options.policy == Policy::paper;
  check_pass(observation.exact, layout, learned(layout, !paper));
  TORCH_CHECK(static_cast<int64_t>(observation.trials.size()) == options.cal_var_m, "controller: expected ",
              options.cal_var_m, " trial passes, got ", observation.trials.size());
  if (paper) {
    for (const auto& trial : observation.trials) check_pass(trial.statistics, layout, learned(layout));
  }
  const auto gradients = static_cast<int64_t>(observation.gradients.size());
  for (const auto& block : layout.blocks) {
    for (const auto& weight : block.weights) {
      TORCH_CHECK(!weight.trainable || weight.gradient < gradients, "controller: expected a gradient ",
                  weight.gradient, " of ", weight.name, ", got ", gradients, " gradients");
    }
  }
}

bool is_finite(const Observation& observation, const WindowBatch& batch) {
  const auto finite = [](const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
  };
  // A square in float64 of float32 values cannot overflow.
  return finite(batch.squared_errors) && finite(batch.gradient_squares) &&
         all_finite(statistics_tensors(observation.exact)) &&
         std::all_of(observation.trials.begin(), observation.trials.end(),
                     [](const auto& trial) { return all_finite(statistics_tensors(trial.statistics)); });
}

WindowBatch window_batch(const Observation& observation, const sampling::SamplingLayout& layout,
                         Policy policy) {
  WindowBatch batch;
  const auto keeps_scores = learned(layout, policy == Policy::solve);
  for (size_t l = 0; l < observation.exact.blocks.size(); ++l) {
    const auto& measured = observation.exact.blocks[l];
    auto& block = batch.blocks.emplace_back();
    block.sample_norms = host_copy(measured.sample_norms);
    for (size_t w = 0; w < measured.weights.size(); ++w) {
      block.weights.push_back({.offsets = measured.weights[w].offsets});
      if (keeps_scores[l][w]) block.weights.back().scores = host_copy(measured.weights[w].scores);
    }
  }
  for (const TrialResult& trial : observation.trials) batch.squared_errors.push_back(trial.squared_error);
  for (const at::Tensor& gradient : observation.gradients)
    batch.gradient_squares.push_back(sampling::squared_norm(gradient));
  return batch;
}

std::vector<double> mean_keep_ratios(const sampling::SamplingLayout& layout,
                                     const std::vector<std::vector<at::Tensor>>& newest,
                                     const NormHistory& history, double s) {
  std::vector<double> sum(layout.blocks.size(), 0);
  double weight = 1, total = 0;
  const auto add = [&](const std::vector<std::vector<at::Tensor>>& batches) {
    for (const auto& norms : batches) {
      const auto ratios = sampling::keep_ratios(layout, norms, s);
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
  for (const WindowBatch& batch : batches) {
    auto& row = norms.emplace_back();
    for (const auto& block : batch.blocks) row.push_back(block.sample_norms);
  }
  return norms;
}

}  // namespace vcas::control
