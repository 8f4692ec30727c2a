#include "variances.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <map>

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

struct Parameters {
  std::vector<size_t> below;            ///< indices among the trainable ones
  std::map<std::string, size_t> place;  ///< of a name among `below`

  explicit Parameters(const std::vector<models::NamedParameter>& all) {
    for (size_t i = 0; i < all.size(); ++i) {
      if (!all[i].below_topmost_sampling) continue;
      place[all[i].name] = below.size();
      below.push_back(i);
    }
  }
  std::vector<at::Tensor> select(const std::vector<at::Tensor>& gradients) const {
    std::vector<at::Tensor> selected;
    for (const size_t i : below) {
      selected.push_back(gradients[i].is_sparse() ? gradients[i].to_dense() : gradients[i]);
    }
    return selected;
  }
};

int64_t at_least_one(double value) { return std::max<int64_t>(1, std::llround(value)); }

/// SampleA alone, with a draw number that neither training nor an adaptation uses on this micro-batch.
sampling::SamplingPlan samples_alone(sampling::SamplingPlan plan, int64_t draw) {
  plan.sampled = true;
  plan.draw_number = 100 + draw;
  for (auto& block : plan.row_keep_ratio) std::fill(block.begin(), block.end(), 1.0);
  return plan;
}

void add_row_variances(const sampling::SamplingPlan& plan, const std::vector<sampling::SamplingStats>& blocks,
                       const training::MicroBatch& batch,
                       const std::vector<std::vector<models::SampledLinear>>& linears, double share,
                       std::vector<WeightVariance>& weights) {
  const auto samples = static_cast<double>(batch.offsets.size() - 1);
  size_t next = 0;
  for (size_t b = 0; b < linears.size(); ++b) {
    const auto kept_samples = static_cast<double>(at_least_one(plan.sample_keep_ratio[b] * samples));
    const auto scores = blocks[b].row_scores.contiguous();
    for (size_t i = 0; i < linears[b].size(); ++i, ++next) {
      const double all =
          linears[b][i].one_row_per_sample ? samples : static_cast<double>(batch.offsets.back());
      const auto rows = at_least_one(kept_samples / samples * all);
      const double nu = plan.row_keep_ratio[b][i];
      weights[next].rows += share * static_cast<double>(rows);
      if (nu >= 1) continue;
      const auto n = scores.size(1);
      weights[next].sampling +=
          share * row_variance(scores.const_data_ptr<double>() + static_cast<int64_t>(i) * n, n,
                               at_least_one(nu * static_cast<double>(rows)));
    }
  }
}

}  // namespace

Variances measure(training::Task& task, const sampling::SamplingPlan& plan, int64_t first, uint64_t seed,
                  const Effort& effort) {
  const Parameters parameters(task.parameters());
  const auto linears = task.sampled_linears();
  Variances result;
  for (size_t b = 0; b < linears.size(); ++b)
    for (size_t i = 0; i < linears[b].size(); ++i)
      result.weights.push_back({linears[b][i].name, plan.row_keep_ratio[b][i]});

  Dispersion dispersion;
  std::vector<double> batch_means;
  int64_t number = first;
  for (int64_t used = 0; used < effort.sgd_batches; ++number) {
    const int64_t per_epoch = task.micro_batches_per_epoch();
    const auto batch = task.forward({number / per_epoch, number % per_epoch, number}, seed);
    if (!batch.full_size) continue;
    const bool draws = used++ < effort.activation_batches;
    const auto exact = parameters.select(batch.pass->backward({.last_pass = !draws}).gradients);
    dispersion.add(exact);
    result.squared_norms.push_back(0);
    for (const auto& gradient : exact) result.squared_norms.back() += squared_norm(gradient);
    if (!draws) continue;
    batch_means.push_back(0);
    for (int64_t j = 0; j < effort.draws_per_batch; ++j) {
      const auto sampled = batch.pass->backward(
          {.plan = samples_alone(plan, j), .want_stats = true, .last_pass = j + 1 == effort.draws_per_batch});
      const auto gradients = parameters.select(sampled.gradients);
      for (size_t t = 0; t < gradients.size(); ++t)
        batch_means.back() +=
            squared_norm(gradients[t].sub(exact[t])) / static_cast<double>(effort.draws_per_batch);
      const double share = 1 / static_cast<double>(effort.draws_per_batch * effort.activation_batches);
      add_row_variances(plan, sampled.blocks, batch, linears, share, result.weights);
    }
  }

  for (size_t t = 0; t < parameters.below.size(); ++t) result.sgd += dispersion.of(t);
  for (auto& weight : result.weights)
    if (const auto found = parameters.place.find(weight.name); found != parameters.place.end())
      weight.sgd = dispersion.of(found->second);
  const auto batches = static_cast<double>(batch_means.size());
  for (const double mean : batch_means) result.activation += mean / batches;
  for (const double mean : batch_means)
    result.activation_error += (mean - result.activation) * (mean - result.activation);
  result.activation_error = std::sqrt(result.activation_error / (batches * std::max(1.0, batches - 1)));
  return result;
}

}  // namespace vcas::budget
