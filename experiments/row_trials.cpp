#include "row_trials.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "control/nested_replay.h"
#include "vcas/sampling/stream.h"

namespace vcas::experiments {
namespace {

constexpr double kSmallest = 0.02;
constexpr double kBudgetShare = 0.8;  // what the controller aims at
constexpr uint32_t kReplays = 16;

struct WeightOutcomes {
  size_t gradient;
  double row_flops;
  std::vector<control::SampledRows> outcomes;
};

std::vector<WeightOutcomes> outcomes_of(const std::vector<control::WindowBatch>& window,
                                        const sampling::SamplingLayout& layout,
                                        const std::vector<double>& sizes, double s) {
  const auto rho = control::mean_keep_ratios(layout, control::norms_of(window), {}, s);
  std::vector<WeightOutcomes> weights;
  for (const auto& place : control::learned_weights(layout)) {
    const auto gradient = static_cast<size_t>(layout.blocks[place.block].weights[place.weight].gradient);
    auto& result = weights.emplace_back(WeightOutcomes{gradient, 2 * sizes[gradient], {}});
    sampling::StreamKey stream;
    stream.site = sampling::Site::draw_replay;
    for (const auto& batch : window) {
      ++stream.index;
      for (stream.draw = 0; stream.draw < kReplays; ++stream.draw) {
        const auto draw = control::replay_draw(layout, batch, rho, sampling::DrawMethod::fixed, stream);
        result.outcomes.push_back(control::sampled_rows(place, batch, draw));
      }
    }
  }
  return weights;
}

double rows(const WeightOutcomes& weight) {
  double sum = 0;
  for (const auto& outcome : weight.outcomes) sum += static_cast<double>(outcome.rows);
  return sum / static_cast<double>(weight.outcomes.size());
}

/// Σ cost least with Σ variance at most `variance`: each ratio minimises cost + multiplier · variance.
std::vector<double> cheapest(const std::vector<WeightOutcomes>& weights, double variance,
                             const std::vector<double>& units) {
  constexpr int kGrid = 60, kBisections = 40;
  std::vector<double> grid;
  for (int i = 0; i <= kGrid; ++i) grid.push_back(std::pow(kSmallest, 1 - static_cast<double>(i) / kGrid));
  std::vector<std::vector<double>> curve;
  for (const auto& weight : weights) {
    auto& values = curve.emplace_back();
    for (const double ratio : grid)
      values.push_back(units[curve.size() - 1] * control::mean_row_variance(weight.outcomes, ratio));
  }
  double low = -60, high = 60;  // logarithm of the multiplier
  std::vector<double> ratios(weights.size(), 1);
  for (int step = 0; step < kBisections; ++step) {
    const double multiplier = std::exp((low + high) / 2);
    double total = 0;
    std::vector<double> tried;
    for (size_t w = 0; w < weights.size(); ++w) {
      const double cost = rows(weights[w]) * weights[w].row_flops;
      size_t best = 0;
      for (size_t i = 0; i < grid.size(); ++i) {
        const auto price = [&](size_t place) { return cost * grid[place] + multiplier * curve[w][place]; };
        if (price(i) < price(best)) best = i;
      }
      tried.push_back(grid[best]);
      total += curve[w][best];
    }
    if (total <= variance) {
      ratios = tried;
      high = (low + high) / 2;
    } else {
      low = (low + high) / 2;
    }
  }
  return ratios;
}

void print(size_t window, double tau, const std::string& way, const std::vector<WeightOutcomes>& weights,
           const std::vector<double>& ratios, const std::vector<double>& of_own) {
  double variance = 0, flops = 0, all = 0, relative = 0, worst = 0;
  for (size_t w = 0; w < weights.size(); ++w) {
    const double added = control::mean_row_variance(weights[w].outcomes, ratios[w]);
    variance += added;
    relative += of_own[w] * added / static_cast<double>(weights.size());
    worst = std::max(worst, of_own[w] * added);
    flops += ratios[w] * rows(weights[w]) * weights[w].row_flops;
    all += rows(weights[w]) * weights[w].row_flops;
  }
  std::cout << nlohmann::json{{"window", window},     {"tau", tau},     {"way", way},
                              {"variance", variance}, {"flops", flops}, {"flops_of_all_rows", all},
                              {"relative", relative}, {"worst", worst}}
            << std::endl;
}

}  // namespace

RowTrials::RowTrials(const RowTrialOptions& options, const sampling::SamplingLayout& layout,
                     const std::vector<at::Tensor>& parameters)
    : options_(options), layout_(layout) {
  for (const auto& parameter : parameters) sizes_.push_back(static_cast<double>(parameter.numel()));
}

void RowTrials::add(control::WindowBatch batch, const std::vector<at::Tensor>& gradients) {
  gradients_.add(gradients);
  batches_.push_back(std::move(batch));
}

void RowTrials::report() const {
  const auto variances = gradients_.variances();
  for (size_t first = 0; first + 1 < batches_.size(); first += 2) {
    const auto weights = outcomes_of({batches_[first], batches_[first + 1]}, layout_, sizes_, options_.s);
    std::vector<double> of_own;
    of_own.reserve(weights.size());
    for (const auto& weight : weights) of_own.push_back(1 / variances[weight.gradient]);
    const std::vector<double> unit(weights.size(), 1);
    for (const double tau : options_.tau) {
      std::vector<double> each;
      double variance = 0, relative = 0;
      for (size_t w = 0; w < weights.size(); ++w) {
        const double budget = kBudgetShare * tau * variances[weights[w].gradient];
        each.push_back(control::solve_row_keep_ratio(weights[w].outcomes, budget, kSmallest));
        const double added = control::mean_row_variance(weights[w].outcomes, each.back());
        variance += added;
        relative += of_own[w] * added;
      }
      print(first / 2, tau, "each weight", weights, each, of_own);
      print(first / 2, tau, "total", weights, cheapest(weights, variance, unit), of_own);
      print(first / 2, tau, "relative", weights, cheapest(weights, relative, of_own), of_own);
    }
  }
}

}  // namespace vcas::experiments
