// Frequencies and variances of draws against their exact values. Every bound is Bernstein's inequality with
// the known variance and largest value, P(|mean - mu| ≥ t) ≤ 2 exp(-n t² / (2 σ² + 2 b t / 3)), at a false
// alarm of 1e-10 a comparison: below 1e-6 for the few thousand comparisons of this file together. Seeds are
// fixed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "sampling/host.h"

namespace vcas::sampling {
namespace draw_statistics_test {

constexpr double kLogFalseAlarm = 23.72;  // ln(2 / 1e-10)

double bernstein(double variance, double largest, double draws) {
  const double linear = kLogFalseAlarm * largest / (3 * draws);
  return linear + std::sqrt(linear * linear + 2 * kLogFalseAlarm * variance / draws);
}

struct Case {
  std::vector<double> weights;
  int64_t count;
};

const std::vector<Case>& small_cases() {
  static const std::vector<Case> cases{
      {{1, 1}, 1},          {{1, 2, 3, 4}, 2},          {{1, 1, 1, 1}, 2},       {{9, 1, 1, 2}, 2},
      {{1, 2, 3, 4, 5}, 3}, {{5, 4, 0, 2, 1}, 2},       {{1, 1, 1, 1, 1, 1}, 3}, {{1, 2, 4, 8, 16, 32}, 3},
      {{3, 0, 0, 2}, 3},    {{1, 1, 2, 2, 1, 1, 0}, 4},
  };
  return cases;
}

std::vector<double> probabilities(const Case& c) {
  std::vector<double> p(c.weights.size());
  inclusion_probabilities(c.weights, c.count, p);
  return p;
}

void expect_first_order_frequencies(const Case& c, DrawMethod method, uint32_t draws) {
  const auto p = probabilities(c);
  std::vector<double> kept(p.size(), 0);
  for (uint32_t i = 0; i < draws; ++i) {
    for (const int64_t entry : draw(c.weights, c.count, method, {.seed = 5, .micro_batch = i}).indices) {
      kept[static_cast<size_t>(entry)] += 1;
    }
  }
  for (size_t i = 0; i < p.size(); ++i) {
    const double expected = method == DrawMethod::bernoulli && c.weights[i] == 0 ? 0 : p[i];
    EXPECT_NEAR(kept[i] / draws, expected, bernstein(expected * (1 - expected), 1, draws)) << "entry " << i;
  }
}

TEST(DrawStatistics, InclusionFrequenciesEqualTheProbabilities) {
  std::vector<Case> cases = small_cases();
  Case skewed{{}, 13};
  for (int i = 0; i < 41; ++i) skewed.weights.push_back(std::exp(0.1 * ((i * 17) % 41)));
  cases.push_back(skewed);
  for (const Case& c : cases) {
    expect_first_order_frequencies(c, DrawMethod::fixed, 100000);
    expect_first_order_frequencies(c, DrawMethod::bernoulli, 100000);
  }
}

// The probability of every possible sample of the fixed draw: all orders, and for each the stretches of u
// between the fractional parts of the cumulated probabilities, on each of which the sample is the same.
std::map<std::vector<int64_t>, double> enumerate_samples(const std::vector<double>& p, int64_t count) {
  std::map<std::vector<int64_t>, double> samples;
  std::vector<int64_t> order(p.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  double orders = 0;
  do {
    orders += 1;
    std::vector<double> cumulated{0}, cuts{0, 1};
    for (const int64_t entry : order) {
      cumulated.push_back(cumulated.back() + p[static_cast<size_t>(entry)]);
      cuts.push_back(cumulated.back() - std::floor(cumulated.back()));
    }
    std::sort(cuts.begin(), cuts.end());
    for (size_t piece = 0; piece + 1 < cuts.size(); ++piece) {
      if (cuts[piece + 1] - cuts[piece] < 1e-12) continue;
      const double u = (cuts[piece] + cuts[piece + 1]) / 2;
      std::vector<int64_t> sample;
      for (int64_t j = 0; j < count; ++j) {
        const auto above = std::upper_bound(cumulated.begin(), cumulated.end(), u + static_cast<double>(j));
        sample.push_back(order[static_cast<size_t>(above - cumulated.begin() - 1)]);
      }
      std::sort(sample.begin(), sample.end());
      samples[sample] += cuts[piece + 1] - cuts[piece];
    }
  } while (std::next_permutation(order.begin(), order.end()));
  for (auto& [sample, probability] : samples) probability /= orders;
  return samples;
}

// Gradients of the samples: of length `weight`, with signs that agree or cancel.
std::vector<double> gradients(const Case& c, int signs) {
  std::vector<double> g = c.weights;
  for (size_t i = 0; i < g.size(); ++i) {
    if (signs >> i & 1) g[i] = -g[i];
  }
  return g;
}

double squared_error(const std::vector<int64_t>& sample, const std::vector<double>& g,
                     const std::vector<double>& p) {
  double error = -std::accumulate(g.begin(), g.end(), 0.0);
  for (const int64_t i : sample) error += g[static_cast<size_t>(i)] / p[static_cast<size_t>(i)];
  return error * error;
}

TEST(DrawStatistics, EnumerationAgreesWithTheProbabilities) {
  for (const Case& c : small_cases()) {
    const auto p = probabilities(c);
    std::vector<double> first_order(p.size(), 0);
    for (const auto& [sample, probability] : enumerate_samples(p, c.count)) {
      for (const int64_t i : sample) first_order[static_cast<size_t>(i)] += probability;
    }
    for (size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(first_order[i], p[i], 1e-9);
  }
}

TEST(DrawStatistics, FixedDrawsEverySampleAsOftenAsEnumerated) {
  constexpr uint32_t kDraws = 100000;
  for (const Case& c : small_cases()) {
    const auto samples = enumerate_samples(probabilities(c), c.count);
    std::map<std::vector<int64_t>, double> drawn;
    for (uint32_t i = 0; i < kDraws; ++i) {
      drawn[draw(c.weights, c.count, DrawMethod::fixed, {.seed = 6, .micro_batch = i}).indices] += 1;
    }
    for (const auto& [sample, times] : drawn) EXPECT_TRUE(samples.contains(sample)) << "an impossible sample";
    for (const auto& [sample, probability] : samples) {
      EXPECT_NEAR(drawn[sample] / kDraws, probability, bernstein(probability * (1 - probability), 1, kDraws));
    }
  }
}

TEST(DrawStatistics, FixedVarianceAgreesWithEnumeration) {
  constexpr uint32_t kDraws = 100000;
  for (const Case& c : small_cases()) {
    const auto p = probabilities(c);
    const auto samples = enumerate_samples(p, c.count);
    for (const int signs : {0, 0b010101, 0b000111}) {
      const auto g = gradients(c, signs);
      double mean = 0, second = 0, largest = 0;
      for (const auto& [sample, probability] : samples) {
        const double error = squared_error(sample, g, p);
        mean += probability * error;
        second += probability * error * error;
        largest = std::max(largest, error);
      }
      double measured = 0;
      for (uint32_t i = 0; i < kDraws; ++i) {
        const auto kept = draw(c.weights, c.count, DrawMethod::fixed, {.seed = 7, .micro_batch = i});
        measured += squared_error(kept.indices, g, p) / kDraws;
      }
      EXPECT_NEAR(measured, mean, bernstein(second - mean * mean, largest, kDraws) + 1e-9);
    }
  }
}

TEST(DrawStatistics, BernoulliVarianceAgreesWithTheFormula) {
  constexpr uint32_t kDraws = 100000;
  for (const Case& c : small_cases()) {
    const auto p = probabilities(c);
    const size_t n = p.size();
    double variance = 0, mean_of_square = 0, largest = 0;
    for (size_t i = 0; i < n; ++i)
      variance += c.weights[i] > 0 ? (1 - p[i]) / p[i] * c.weights[i] * c.weights[i] : 0;
    for (size_t subset = 0; subset < size_t{1} << n; ++subset) {
      double probability = 1;
      std::vector<int64_t> sample;
      for (size_t i = 0; i < n; ++i) {
        const bool kept = subset >> i & 1;
        const double chance = c.weights[i] > 0 ? p[i] : 0;
        probability *= kept ? chance : 1 - chance;
        if (kept && chance > 0) sample.push_back(static_cast<int64_t>(i));
      }
      const double error = squared_error(sample, c.weights, p);
      mean_of_square += probability * error * error;
      if (probability > 0) largest = std::max(largest, error);
    }
    double measured = 0;
    for (uint32_t i = 0; i < kDraws; ++i) {
      const auto kept = draw(c.weights, c.count, DrawMethod::bernoulli, {.seed = 8, .micro_batch = i});
      measured += squared_error(kept.indices, c.weights, p) / kDraws;
    }
    EXPECT_NEAR(measured, variance, bernstein(mean_of_square - variance * variance, largest, kDraws) + 1e-9);
  }
}

}  // namespace draw_statistics_test
}  // namespace vcas::sampling
