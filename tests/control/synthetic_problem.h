#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "vcas/control/controller.h"
#include "vcas/sampling/draw.h"
#include "vcas/sampling/inclusion.h"

namespace vcas::control {

/// One batch of a made-up network without layers that mix samples: the gradient of every weight is a sum over
/// rows of known vectors, so that any plan can be carried out and every variance measured by brute force.
struct SyntheticBatch {
  std::vector<int64_t> offsets;
  std::vector<std::vector<double>> sample_norms;         ///< [block][N]
  std::vector<std::vector<std::vector<double>>> scores;  ///< [block][linear][R or N]
  std::vector<std::vector<std::vector<std::vector<float>>>>
      parts;  ///< [block][linear][row][dimension], of score length
};

/// A population of such batches: lognormal sample norms (some samples matter far more than others), rows of a
/// sample that agree in part, and a common gradient direction.
class SyntheticProblem {
 public:
  static constexpr int64_t kSamples = 32, kDimensions = 12;
  static constexpr size_t kBlocks = 3, kLinears = 2;

  explicit SyntheticProblem(uint64_t seed, double skew = 1.2) : random_(seed), skew_(skew) {}

  /// The last linear of the topmost block computes one row a sample, as in a classifier.
  static SamplingLayout layout() {
    SamplingLayout layout;
    for (size_t l = 0; l < kBlocks; ++l) {
      auto& block = layout.blocks.emplace_back();
      for (size_t i = 0; i < kLinears; ++i) {
        block.push_back({.name = "block." + std::to_string(l) + "." + std::to_string(i),
                         .one_row_per_sample = one_row(l, i),
                         .gradient_index = static_cast<int64_t>(l * kLinears + i)});
      }
    }
    return layout;
  }
  static bool one_row(size_t block, size_t linear) { return block + 1 == kBlocks && linear + 1 == kLinears; }

  /// @param scale multiplies every gradient, as a falling loss does.
  SyntheticBatch batch(double scale = 1);

 private:
  double normal() { return normal_(random_); }

  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  double skew_;
};

inline SyntheticBatch SyntheticProblem::batch(double scale) {
  SyntheticBatch batch;
  batch.offsets = {0};
  std::vector<double> size;
  for (int64_t i = 0; i < kSamples; ++i) {
    batch.offsets.push_back(batch.offsets.back() + 4 + static_cast<int64_t>(random_() % 12));
    size.push_back(scale * std::exp(skew_ * normal()));
  }
  for (size_t l = 0; l < kBlocks; ++l) {
    auto& norms = batch.sample_norms.emplace_back(kSamples, 0.0);
    auto& scores = batch.scores.emplace_back(kLinears);
    auto& parts = batch.parts.emplace_back(kLinears);
    for (int64_t i = 0; i < kSamples; ++i) {
      const double block_size = size[static_cast<size_t>(i)] * std::exp(0.2 * normal());
      std::vector<double> rows(static_cast<size_t>(batch.offsets[i + 1] - batch.offsets[i]));
      for (double& row : rows) row = block_size * std::exp(0.7 * normal());
      for (const double row : rows) norms[static_cast<size_t>(i)] += row * row;
      norms[static_cast<size_t>(i)] = std::sqrt(norms[static_cast<size_t>(i)]);
      for (size_t k = 0; k < kLinears; ++k) {
        std::vector<double> own(kDimensions);
        for (double& x : own) x = normal();
        own[0] += 1;
        for (size_t r = 0; r < (one_row(l, k) ? 1 : rows.size()); ++r) {
          const double score = rows[r] * std::exp(0.2 * normal());
          std::vector<float> part(kDimensions);
          double square = 0;
          for (size_t d = 0; d < part.size(); ++d) {
            part[d] = static_cast<float>(own[d] + normal());
            square += double{part[d]} * double{part[d]};
          }
          for (float& x : part) x = static_cast<float>(x * score / std::sqrt(square));
          scores[k].push_back(score);
          parts[k].push_back(std::move(part));
        }
      }
    }
  }
  return batch;
}

/// Gradients of all weights with row r of (block, linear) multiplied by scale[block][sample of r].
inline std::vector<at::Tensor> gradients(const SyntheticBatch& batch,
                                         const std::vector<std::vector<double>>& scale) {
  std::vector<at::Tensor> result;
  for (size_t l = 0; l < batch.parts.size(); ++l) {
    for (const auto& rows : batch.parts[l]) {
      const bool one_row = rows.size() + 1 == batch.offsets.size();
      std::vector<double> sum(static_cast<size_t>(SyntheticProblem::kDimensions), 0);
      size_t sample = 0;
      for (size_t r = 0; r < rows.size(); ++r) {
        while (!one_row && static_cast<int64_t>(r) >= batch.offsets[sample + 1]) ++sample;
        for (size_t d = 0; d < sum.size(); ++d) sum[d] += scale[l][one_row ? r : sample] * double{rows[r][d]};
      }
      at::Tensor gradient = at::empty({SyntheticProblem::kDimensions}, at::kFloat);
      for (size_t d = 0; d < sum.size(); ++d) gradient.data_ptr<float>()[d] = static_cast<float>(sum[d]);
      result.push_back(gradient);
    }
  }
  return result;
}

inline std::vector<std::vector<double>> keep_everything(const SyntheticBatch& batch) {
  return {batch.sample_norms.size(), std::vector<double>(batch.sample_norms[0].size(), 1.0)};
}

/// Carries out SampleA of a plan: 1/P of every sample at every block, 0 where it is dropped.
inline std::vector<std::vector<double>> sample_activations(const SyntheticBatch& batch,
                                                           const sampling::SamplingPlan& plan,
                                                           sampling::StreamKey stream) {
  auto scale = keep_everything(batch);
  const auto samples = static_cast<int64_t>(scale[0].size());
  stream.draw = static_cast<uint32_t>(plan.draw_number);
  at::Tensor above = at::ones({samples}, at::kDouble);
  for (size_t l = scale.size(); l-- > 0;) {
    stream.layer = static_cast<uint32_t>(l);
    const at::Tensor weights = at::tensor(batch.sample_norms[l], at::kDouble) * above;
    const int64_t count = sampling::count_from_ratio(plan.sample_keep_ratio[l], samples);
    const auto kept = sampling::draw(weights, count, plan.draw_method, stream);
    at::Tensor here = at::zeros({samples}, at::kDouble);
    for (int64_t slot = 0; slot < kept.indices.numel(); ++slot) {
      const auto i = kept.indices[slot].item<int64_t>();
      if (i >= 0) here[i] = above[i] * kept.scales[slot];
    }
    above = here;
    for (int64_t i = 0; i < samples; ++i) scale[l][static_cast<size_t>(i)] = above[i].item<double>();
  }
  return scale;
}

inline double squared_distance(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]).to(at::kDouble).square().sum().item<double>();
  return sum;
}

/// What a backward pass over the batch reports when SampleA multiplied by `scale`.
inline std::vector<sampling::SamplingStats> statistics(const SyntheticBatch& batch,
                                                       const std::vector<std::vector<double>>& scale) {
  std::vector<sampling::SamplingStats> blocks;
  for (size_t l = 0; l < batch.scores.size(); ++l) {
    sampling::SamplingStats stats;
    stats.sample_norms = at::tensor(batch.sample_norms[l], at::kDouble);
    stats.row_scores =
        at::zeros({static_cast<int64_t>(batch.scores[l].size()), batch.offsets.back()}, at::kDouble);
    for (size_t k = 0; k < batch.scores[l].size(); ++k) {
      const auto& scores = batch.scores[l][k];
      const bool one_row = scores.size() + 1 == batch.offsets.size();
      size_t sample = 0;
      for (size_t r = 0; r < scores.size(); ++r) {
        while (!one_row && static_cast<int64_t>(r) >= batch.offsets[sample + 1]) ++sample;
        stats.row_scores[static_cast<int64_t>(k)][static_cast<int64_t>(r)] =
            scores[r] * scale[l][one_row ? r : sample];
      }
    }
    blocks.push_back(stats);
  }
  return blocks;
}

/// What training would observe at one batch of an adaptation.
inline BatchObservation observe_batch(const VarianceController& controller, const SyntheticBatch& batch,
                                      int64_t micro_batch) {
  BatchObservation observation;
  observation.offsets = batch.offsets;
  observation.exact = statistics(batch, keep_everything(batch));
  observation.exact_gradients = gradients(batch, keep_everything(batch));
  for (const auto& plan : controller.probe_plans(observation.exact)) {
    const auto scale =
        sample_activations(batch, plan, {.seed = 77, .micro_batch = static_cast<uint32_t>(micro_batch)});
    observation.sampled.push_back(statistics(batch, scale));
    observation.sampled_squared_error.push_back(
        squared_distance(gradients(batch, scale), observation.exact_gradients));
  }
  return observation;
}

/// Brute-force variances of a plan over fresh batches.
struct MeasuredVariances {
  double v_sgd = 0, v_act = 0;
  std::vector<double> v_sgd_weight, v_w;  ///< by weight
};

inline MeasuredVariances measure(SyntheticProblem& problem, const sampling::SamplingPlan& plan, int batches,
                                 double scale = 1) {
  constexpr size_t kWeights = SyntheticProblem::kBlocks * SyntheticProblem::kLinears;
  MeasuredVariances result{0, 0, std::vector<double>(kWeights, 0), std::vector<double>(kWeights, 0)};
  std::vector<at::Tensor> sum, sum_of_squares;
  for (int b = 0; b < batches; ++b) {
    const SyntheticBatch batch = problem.batch(scale);
    const auto exact = gradients(batch, keep_everything(batch));
    const auto kept = sample_activations(batch, plan, {.seed = 99, .micro_batch = static_cast<uint32_t>(b)});
    result.v_act += squared_distance(gradients(batch, kept), exact) / batches;
    const auto stats = statistics(batch, kept);
    for (size_t w = 0; w < kWeights; ++w) {
      const size_t l = w / SyntheticProblem::kLinears, k = w % SyntheticProblem::kLinears;
      const int64_t rows =
          SyntheticProblem::one_row(l, k) ? SyntheticProblem::kSamples : batch.offsets.back();
      const double share = static_cast<double>(sampling::count_from_ratio(plan.sample_keep_ratio[l],
                                                                          SyntheticProblem::kSamples)) /
                           static_cast<double>(SyntheticProblem::kSamples);
      const int64_t compact = sampling::count_from_ratio(share, rows);
      const at::Tensor scores = stats[l].row_scores[static_cast<int64_t>(k)].slice(0, 0, rows);
      const at::Tensor q = sampling::inclusion_probabilities(
          scores, sampling::count_from_ratio(plan.row_keep_ratio[l][k], compact));
      const at::Tensor live = scores > 0;
      result.v_w[w] +=
          at::where(live, (1 - q) / at::where(live, q, 1.0) * scores * scores, 0.0).sum().item<double>() /
          batches;
      const at::Tensor g = exact[w].to(at::kDouble);
      if (b == 0) {
        sum.push_back(g);
        sum_of_squares.push_back(g.square().sum());
      } else {
        sum[w] = sum[w] + g;
        sum_of_squares[w] = sum_of_squares[w] + g.square().sum();
      }
    }
  }
  for (size_t w = 0; w < kWeights; ++w) {
    result.v_sgd_weight[w] =
        (sum_of_squares[w] - sum[w].square().sum() / batches).item<double>() / (batches - 1);
    result.v_sgd += result.v_sgd_weight[w];
  }
  return result;
}

}  // namespace vcas::control
