#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "control/controller.h"
#include "sampling/draw.h"
#include "sampling/inclusion.h"
#include "vcas/sampling/counts.h"

namespace vcas::control {

/// One batch of a made-up network without layers that mix samples: the gradient of every weight is a sum over
/// rows of known vectors, so that any plan can be carried out and every variance measured by brute force.
struct SyntheticBatch {
  std::vector<int64_t> offsets;
  std::vector<std::vector<double>> sample_norms;         ///< [block][N]
  std::vector<std::vector<std::vector<double>>> scores;  ///< [block][weight][R or N]
  std::vector<std::vector<std::vector<std::vector<float>>>>
      parts;  ///< [block][weight][row][dimension], of score length
};

/// A population of such batches: lognormal sample norms (some samples matter far more than others), rows of a
/// sample that agree in part, and a common gradient direction.
class SyntheticProblem {
 public:
  static constexpr int64_t kSamples = 32, kDimensions = 12;
  static constexpr size_t kBlocks = 3, kWeights = 2;

  explicit SyntheticProblem(uint64_t seed, double skew = 1.2) : random_(seed), skew_(skew) {}

  /// The last weight of the topmost block computes one row a sample, as in a classifier.
  static sampling::SamplingLayout layout() {
    sampling::SamplingLayout layout;
    for (size_t l = 0; l < kBlocks; ++l) {
      auto& block = layout.blocks.emplace_back();
      block.name = "block." + std::to_string(l);
      for (size_t i = 0; i < kWeights; ++i) {
        block.weights.push_back({.name = block.name + "." + std::to_string(i),
                                 .gradient = static_cast<int64_t>(l * kWeights + i)});
      }
    }
    return layout;
  }
  static bool one_row(size_t block, size_t weight) { return block + 1 == kBlocks && weight + 1 == kWeights; }

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
    auto& scores = batch.scores.emplace_back(kWeights);
    auto& parts = batch.parts.emplace_back(kWeights);
    for (int64_t i = 0; i < kSamples; ++i) {
      const double block_size = size[static_cast<size_t>(i)] * std::exp(0.2 * normal());
      std::vector<double> rows(static_cast<size_t>(batch.offsets[i + 1] - batch.offsets[i]));
      for (double& row : rows) row = block_size * std::exp(0.7 * normal());
      for (const double row : rows) norms[static_cast<size_t>(i)] += row * row;
      norms[static_cast<size_t>(i)] = std::sqrt(norms[static_cast<size_t>(i)]);
      for (size_t k = 0; k < kWeights; ++k) {
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

/// Gradients of all weights with row r of (block, weight) multiplied by scale[block][sample of r].
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

/// Rows of each sample of a weight with that many rows: one a sample, or the batch's.
inline std::vector<int64_t> offsets_of(const SyntheticBatch& batch, size_t rows) {
  if (rows + 1 != batch.offsets.size()) return batch.offsets;
  std::vector<int64_t> offsets(batch.offsets.size());
  std::iota(offsets.begin(), offsets.end(), int64_t{0});
  return offsets;
}

/// Statistics of a backward pass over the batch in which SampleA multiplied by `scale`.
inline sampling::PassStatistics statistics(const SyntheticBatch& batch,
                                           const std::vector<std::vector<double>>& scale) {
  sampling::PassStatistics pass;
  for (size_t l = 0; l < batch.scores.size(); ++l) {
    auto& block = pass.blocks.emplace_back();
    block.sample_norms = at::tensor(batch.sample_norms[l], at::kDouble);
    for (const auto& scores : batch.scores[l]) {
      auto& weight = block.weights.emplace_back();
      weight.offsets = offsets_of(batch, scores.size());
      auto scaled = scores;
      for (size_t i = 0; i < scale[l].size(); ++i) {
        for (int64_t r = weight.offsets[i]; r < weight.offsets[i + 1]; ++r)
          scaled[static_cast<size_t>(r)] *= scale[l][i];
      }
      weight.scores = at::tensor(scaled, at::kDouble);
    }
  }
  return pass;
}

/// Observation that training would make of one batch of an adaptation. @param Learner VarianceController or
/// Sampler.
template <class Learner>
Observation observe_batch(const Learner& learner, const SyntheticBatch& batch, int64_t micro_batch) {
  Observation observation;
  observation.exact = statistics(batch, keep_everything(batch));
  observation.gradients = gradients(batch, keep_everything(batch));
  for (const auto& request : learner.trial_passes(observation.exact)) {
    const auto scale = sample_activations(batch, request.plan,
                                          {.seed = 77, .micro_batch = static_cast<uint32_t>(micro_batch)});
    TrialResult trial;
    trial.squared_error = squared_distance(gradients(batch, scale), observation.gradients);
    if (request.statistics) trial.statistics = statistics(batch, scale);
    observation.trials.push_back(std::move(trial));
  }
  return observation;
}

/// Solves what was observed, as one process does. @return true when that closed an adaptation.
template <class Learner>
bool solve_alone(Learner& learner) {
  bool closed = false;
  while (const auto numbers = learner.statistics()) closed = learner.solve(*numbers);
  return closed;
}

inline bool observe(VarianceController& controller, int64_t micro_batch, const Observation& observation) {
  controller.observe(micro_batch, observation);
  return solve_alone(controller);
}

/// Brute-force variances of a plan over fresh batches.
struct MeasuredVariances {
  double v_sgd = 0, v_act = 0;
  std::vector<double> v_sgd_weight, v_w;  ///< by weight
};

inline MeasuredVariances measure(SyntheticProblem& problem, const sampling::SamplingPlan& plan, int batches,
                                 double scale = 1) {
  constexpr size_t kAll = SyntheticProblem::kBlocks * SyntheticProblem::kWeights;
  MeasuredVariances result{0, 0, std::vector<double>(kAll, 0), std::vector<double>(kAll, 0)};
  std::vector<at::Tensor> sum, sum_of_squares;
  for (int b = 0; b < batches; ++b) {
    const SyntheticBatch batch = problem.batch(scale);
    const auto exact = gradients(batch, keep_everything(batch));
    const auto kept = sample_activations(batch, plan, {.seed = 99, .micro_batch = static_cast<uint32_t>(b)});
    result.v_act += squared_distance(gradients(batch, kept), exact) / batches;
    const auto stats = statistics(batch, kept);
    for (size_t w = 0; w < kAll; ++w) {
      const size_t l = w / SyntheticProblem::kWeights, k = w % SyntheticProblem::kWeights;
      const at::Tensor scores = stats.blocks[l].weights[k].scores;
      const auto counts =
          sampling::block_counts(plan.sample_keep_ratio[l], {plan.row_keep_ratio[l][k]},
                                 {.samples = SyntheticProblem::kSamples, .weight_rows = {scores.numel()}});
      const bool all = counts.kept[0] == sampling::BlockPlan::kAllRows;
      const at::Tensor q =
          sampling::inclusion_probabilities(scores, all ? counts.available[0] : counts.kept[0]);
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
  for (size_t w = 0; w < kAll; ++w) {
    result.v_sgd_weight[w] =
        (sum_of_squares[w] - sum[w].square().sum() / batches).item<double>() / (batches - 1);
    result.v_sgd += result.v_sgd_weight[w];
  }
  return result;
}

}  // namespace vcas::control
