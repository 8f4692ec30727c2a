#include "variances.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "vcas/nn/parameter.h"
#include "vcas/sampling/counts.h"
#include "vcas/training/loop/batch_source.h"
#include "vcas/training/methods/exact.h"

namespace vcas::budget {
namespace {

double squared_norm(const at::Tensor& t) {
  const auto flat = t.to(at::kDouble).reshape({-1});
  return flat.dot(flat).item<double>();
}

/// Σ ‖g‖² and Σ g of each tensor, for V = (Σ ‖g‖² - B ‖ḡ‖²)/(B - 1).
class Dispersion {
 public:
  void add(const std::vector<at::Tensor>& gradients) {
    if (sums_.empty())
      for (const auto& g : gradients) sums_.push_back(at::zeros_like(g, g.options().dtype(at::kDouble)));
    squares_.resize(gradients.size(), 0.0);
    for (size_t t = 0; t < gradients.size(); ++t) {
      sums_[t].add_(gradients[t]);
      squares_[t] += squared_norm(gradients[t]);
    }
    count_ += 1;
  }
  double of(size_t tensor) const {
    return (squares_[tensor] - squared_norm(sums_[tensor]) / count_) / (count_ - 1);
  }

 private:
  std::vector<at::Tensor> sums_;
  std::vector<double> squares_;
  double count_ = 0;
};

/// Σ (1-q)/q w² with q = min(1, c·w), Σ q = count: the largest weights are kept one after the other until
/// none of the rest would reach 1.
double row_variance(const double* scores, int64_t n, int64_t count) {
  std::vector<double> w;
  std::copy_if(scores, scores + n, std::back_inserter(w), [](double score) { return score > 0; });
  if (count >= static_cast<int64_t>(w.size())) return 0;
  std::sort(w.begin(), w.end());
  double rest = 0;
  for (const double score : w) rest += score;
  auto open = w.size();
  auto share = static_cast<double>(count);
  while (share > 1 && share * w[open - 1] >= rest) {
    rest -= w[--open];
    share -= 1;
  }
  double variance = 0;
  for (size_t i = 0; i < open; ++i) variance += w[i] * (rest / share - w[i]);
  return variance;
}

/// Dense gradients of the parameters at these indices.
std::vector<at::Tensor> select(const std::vector<at::Tensor>& gradients, const std::vector<size_t>& indices) {
  auto selected = nn::select(gradients, indices);
  for (auto& gradient : selected) {
    if (gradient.is_sparse()) gradient = gradient.to_dense();
  }
  return selected;
}

/// SampleA alone, with a draw number that neither training nor an adaptation uses on this micro-batch.
sampling::SamplingPlan samples_alone(sampling::SamplingPlan plan, int64_t draw) {
  plan.sampled = true;
  plan.draw_number = 100 + draw;
  for (auto& block : plan.row_keep_ratio) std::fill(block.begin(), block.end(), 1.0);
  return plan;
}

/// @param rows by block. @param weights all of the layout, block after block.
void add_row_variances(const sampling::SamplingPlan& plan, const sampling::PassStatistics& pass,
                       const std::vector<sampling::BlockRows>& rows, double share,
                       std::vector<WeightVariance>& weights) {
  size_t next = 0;
  for (size_t b = 0; b < rows.size(); ++b) {
    const auto counts = sampling::block_counts(plan.sample_keep_ratio[b], plan.row_keep_ratio[b], rows[b]);
    for (size_t i = 0; i < counts.kept.size(); ++i, ++next) {
      weights[next].rows += share * static_cast<double>(counts.available[i]);
      if (counts.kept[i] == sampling::BlockPlan::kAllRows) continue;
      const auto scores = pass.blocks[b].weights[i].scores.contiguous();
      weights[next].sampling +=
          share * row_variance(scores.const_data_ptr<double>(), scores.numel(), counts.kept[i]);
    }
  }
}

}  // namespace

Variances measure(training::Task& task, const sampling::SamplingPlan& plan, int64_t first,
                  const training::TrainOptions& options, const Effort& effort) {
  const auto below = nn::controlled_parameters(task.model().trainable_parameters());
  const auto layout = task.model().layout();
  Variances result;
  for (size_t b = 0; b < layout.blocks.size(); ++b)
    for (size_t i = 0; i < layout.blocks[b].weights.size(); ++i)
      result.weights.push_back({layout.blocks[b].weights[i].name, plan.row_keep_ratio[b][i]});

  training::ExactMethod exact_method;
  training::BatchSource source(task, exact_method, options);
  const int64_t per_epoch = source.batches_per_epoch();
  Dispersion dispersion;
  std::vector<double> batch_means;
  int64_t number = first;
  for (int64_t used = 0; used < effort.sgd_batches; ++number) {
    const training::MicroBatchPosition position{number / per_epoch, number % per_epoch, number};
    if (!source.is_full_size(position)) continue;
    const auto batch = source.take(position);
    auto pass = task.forward(*batch, {.seed = options.seed, .micro_batch = number});
    const bool draws = used++ < effort.activation_batches;
    const auto exact = select(pass.backward({.last_pass = !draws}).gradients, below);
    dispersion.add(exact);
    result.squared_norms.push_back(0);
    for (const auto& gradient : exact) result.squared_norms.back() += squared_norm(gradient);
    if (!draws) continue;
    batch_means.push_back(0);
    for (int64_t j = 0; j < effort.draws_per_batch; ++j) {
      const auto sampled = pass.backward({.plan = samples_alone(plan, j),
                                          .want_statistics = true,
                                          .last_pass = j + 1 == effort.draws_per_batch});
      const auto gradients = select(sampled.gradients, below);
      for (size_t t = 0; t < gradients.size(); ++t)
        batch_means.back() +=
            squared_norm(gradients[t].sub(exact[t])) / static_cast<double>(effort.draws_per_batch);
      const double share = 1 / static_cast<double>(effort.draws_per_batch * effort.activation_batches);
      add_row_variances(plan, sampled.statistics, pass.rows(), share, result.weights);
    }
  }

  for (size_t t = 0; t < below.size(); ++t) result.sgd += dispersion.of(t);
  auto next = result.weights.begin();
  for (const auto& block : layout.blocks)
    for (const auto& weight : block.weights)
      (next++)->sgd = weight.trainable ? dispersion.of(static_cast<size_t>(weight.gradient)) : 0;
  const auto batches = static_cast<double>(batch_means.size());
  for (const double mean : batch_means) result.activation += mean / batches;
  for (const double mean : batch_means)
    result.activation_error += (mean - result.activation) * (mean - result.activation);
  result.activation_error = std::sqrt(result.activation_error / (batches * std::max(1.0, batches - 1)));
  return result;
}

}  // namespace vcas::budget
