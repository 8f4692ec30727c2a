#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "sampling/draw.h"
#include "vcas/control/sampler.h"
#include "vcas/sampling/counts.h"

namespace vcas::control {

/// Everything that a layout can say, in one model without a network: chain 0 of two blocks, of which the
/// lower one does not sample activations and shares a parameter with the upper one; chain 1 of three, of
/// which the middle one mixes samples. Weights run on different rows: two a sample, one a sample, one of
/// every second sample.
class FakeModel {
 public:
  static constexpr int64_t kSamples = 16, kDimensions = 8;

  explicit FakeModel(uint64_t seed) : random_(seed) {}

  static sampling::SamplingLayout layout() {
    sampling::SamplingLayout layout;
    layout.blocks = {
        {.name = "tower.0",
         .samples_activations = false,
         .weights = {{"tower.0.a", 0}, {"shared@tower.0", 1}}},
        {.name = "tower.1", .cost_key = "fake", .weights = {{"shared@tower.1", 1}, {"tower.1.b", 2}}},
        {.name = "net.0", .chain = 1, .weights = {{"net.0.a", 3}}},
        {.name = "net.1", .mixes_samples = true, .chain = 1, .weights = {{"net.1.a", 4}}},
        {.name = "net.2", .chain = 1, .weights = {{"net.2.a", 5}, {"net.2.frozen", 0, false}}}};
    return layout;
  }
  static constexpr int64_t kGradients = 7;  ///< the last one belongs to no block

  /// Rows that each sample has in a weight.
  static std::vector<int64_t> offsets(size_t block, size_t weight) {
    std::vector<int64_t> offsets{0};
    for (int64_t i = 0; i < kSamples; ++i) {
      const int64_t rows = weight == 1 ? i % 2 : block == 0 ? 1 : 2;
      offsets.push_back(offsets.back() + rows);
    }
    return offsets;
  }
  static std::vector<sampling::BlockRows> rows() {
    std::vector<sampling::BlockRows> rows;
    const auto described = layout();
    for (size_t l = 0; l < described.blocks.size(); ++l) {
      auto& block = rows.emplace_back(sampling::BlockRows{.samples = kSamples});
      for (size_t w = 0; w < described.blocks[l].weights.size(); ++w)
        block.weight_rows.push_back(offsets(l, w).back());
    }
    return rows;
  }

  /// Observation of a batch whose squared errors follow a power law of what the trial plans leave out.
  Observation observe(const Sampler& sampler) {
    Observation observation;
    observation.exact = statistics();
    for (int64_t g = 0; g < kGradients; ++g) {
      std::vector<float> values(kDimensions);
      for (float& value : values) value = static_cast<float>(1 + normal_(random_));
      observation.gradients.push_back(at::tensor(values));
    }
    for (const auto& request : sampler.trial_passes(observation.exact)) {
      const auto& rho = request.plan.sample_keep_ratio;
      const double kept = std::accumulate(rho.begin(), rho.end(), 0.0) / static_cast<double>(rho.size());
      TrialResult trial{.squared_error = 40 * std::pow(1 - kept, 2) * std::exp(0.3 * normal_(random_))};
      if (request.statistics) trial.statistics = observation.exact;
      observation.trials.push_back(std::move(trial));
    }
    return observation;
  }

 private:
  sampling::PassStatistics statistics() {
    sampling::PassStatistics pass;
    const auto described = layout();
    for (size_t l = 0; l < described.blocks.size(); ++l) {
      const auto& block = described.blocks[l];
      auto& measured = pass.blocks.emplace_back();
      if (block.samples_activations) measured.sample_norms = lognormal(kSamples);
      for (size_t w = 0; w < block.weights.size(); ++w) {
        auto& weight = measured.weights.emplace_back();
        weight.offsets = offsets(l, w);
        if (block.weights[w].trainable) weight.scores = lognormal(weight.offsets.back()) * 0.02;
      }
    }
    return pass;
  }
  at::Tensor lognormal(int64_t count) {
    std::vector<double> values(static_cast<size_t>(count));
    for (double& value : values) value = std::exp(normal_(random_));
    return at::tensor(values, at::kDouble);
  }

  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
};

}  // namespace vcas::control
