#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "vcas/sampling/plan.h"

/// The exact distribution of small draws, and bounds on means over many draws that follow from it. Nothing
/// here uses the code under test: probabilities are water-filled anew and draws enumerated.
namespace vcas::ops::testing {

/// ln(2 / 1e-11): with a false alarm of at most 1e-11 a comparison, the fewer than 50,000 comparisons of the
/// unbiased_*_test.cpp together raise one with probability below 1e-6.
inline constexpr double kLogFalseAlarm = 26.03;
inline constexpr int64_t kProjections = 32;

/// Bernstein: a mean of `draws` independent values with this variance, none farther than `largest` from the
/// expectation, lies farther from it with probability at most exp(-kLogFalseAlarm)·2. The same bound holds
/// for the norm of a mean of vectors, variance E‖X‖² (Pinelis and Sakhanenko 1985; the moments of a bounded
/// X satisfy their condition with B = largest/3).
inline double bernstein(double variance, double largest, double draws) {
  const double linear = kLogFalseAlarm * largest / (3 * draws);
  return linear + std::sqrt(linear * linear + 2 * kLogFalseAlarm * variance / draws);
}

/// p_i = min(1, c·w_i) with Σ p_i = count; zero weights get 0 where positive ones suffice, and count for
/// nothing where they do not (their gradient is zero).
inline std::vector<double> inclusion(const std::vector<double>& weights, int64_t count) {
  std::vector<double> p(weights.size(), 0.0);
  std::vector<bool> saturated(weights.size(), false);
  const auto positive = std::count_if(weights.begin(), weights.end(), [](double w) { return w > 0; });
  if (positive <= count) {
    std::transform(weights.begin(), weights.end(), p.begin(), [](double w) { return w > 0 ? 1.0 : 0.0; });
    return p;
  }
  for (bool changed = true; changed;) {
    changed = false;
    double open = 0, share = static_cast<double>(count);
    for (size_t i = 0; i < p.size(); ++i) saturated[i] ? share -= 1 : open += weights[i];
    for (size_t i = 0; i < p.size(); ++i) {
      p[i] = saturated[i] ? 1.0 : share * weights[i] / open;
      if (!saturated[i] && p[i] >= 1) saturated[i] = changed = true;
    }
  }
  return p;
}

/// One possible result of a draw: its probability, and what each entry's gradient is multiplied by.
struct Outcome {
  double probability = 0;
  std::vector<double> coefficients;
};
using Distribution = std::vector<Outcome>;

inline Distribution bernoulli_distribution(const std::vector<double>& p) {
  Distribution outcomes{{1.0, std::vector<double>(p.size(), 0.0)}};
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] == 0) continue;
    Distribution next;
    for (const auto& outcome : outcomes) {
      if (p[i] < 1) next.push_back({outcome.probability * (1 - p[i]), outcome.coefficients});
      next.push_back({outcome.probability * p[i], outcome.coefficients});
      next.back().coefficients[i] = 1 / p[i];
    }
    outcomes = std::move(next);
  }
  return outcomes;
}

/// Adds the samples that systematic selection makes of one order: between the fractional parts of the
/// cumulated probabilities the sample does not depend on u.
inline void add_systematic_samples(const std::vector<size_t>& order, const std::vector<double>& p,
                                   double probability, std::vector<double>& by_subset) {
  std::vector<double> cumulated, cuts{0, 1};
  double sum = 0;
  for (const size_t entry : order) {
    cumulated.push_back(sum += p[entry]);
    cuts.push_back(sum - std::floor(sum));
  }
  std::sort(cuts.begin(), cuts.end());
  for (size_t piece = 0; piece + 1 < cuts.size(); ++piece) {
    const double length = cuts[piece + 1] - cuts[piece];
    if (length < 1e-12) continue;
    size_t subset = 0;
    for (double point = (cuts[piece] + cuts[piece + 1]) / 2; point < sum; point += 1)
      subset |= size_t{1} << order[static_cast<size_t>(
                    std::upper_bound(cumulated.begin(), cumulated.end(), point) - cumulated.begin())];
    by_subset[subset] += probability * length;
  }
}

/// Randomised systematic sampling by enumeration of all orders. With Σ p an integer, turning an order around
/// its circle only shifts u: the first entry may stay where it is.
inline Distribution systematic_distribution(const std::vector<double>& p) {
  std::vector<size_t> open;
  for (size_t i = 0; i < p.size(); ++i)
    if (p[i] > 0 && p[i] < 1) open.push_back(i);
  std::vector<double> by_subset(size_t{1} << p.size(), 0.0);
  double orders = 1;
  for (size_t i = 2; i < open.size(); ++i) orders *= static_cast<double>(i);
  if (open.empty()) by_subset[0] = 1;
  if (!open.empty()) do
      add_systematic_samples(open, p, 1 / orders, by_subset);
    while (std::next_permutation(open.begin() + 1, open.end()));
  Distribution outcomes;
  for (size_t subset = 0; subset < by_subset.size(); ++subset) {
    if (by_subset[subset] == 0) continue;
    Outcome outcome{by_subset[subset], std::vector<double>(p.size(), 0.0)};
    for (size_t i = 0; i < p.size(); ++i)
      if (p[i] == 1 || (subset >> i & 1)) outcome.coefficients[i] = 1 / p[i];
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

/// Every result of a draw by weights, with its probability.
inline Distribution distribution(const std::vector<double>& weights, int64_t count,
                                 sampling::DrawMethod method) {
  const auto p = inclusion(weights, count);
  return method == sampling::DrawMethod::bernoulli ? bernoulli_distribution(p) : systematic_distribution(p);
}

/// A draw among what an earlier one kept, whose weights it has multiplied: entry e weighs
/// weights[e]·(coefficient of source[e]) and ends with both coefficients multiplied.
/// @param count negative: every entry is kept.
inline Distribution then_draw(const Distribution& earlier, const std::vector<double>& weights,
                              const std::vector<size_t>& source, int64_t count, sampling::DrawMethod method) {
  Distribution outcomes;
  for (const auto& given : earlier) {
    auto scaled = weights, before = weights;
    for (size_t e = 0; e < weights.size(); ++e) scaled[e] *= before[e] = given.coefficients[source[e]];
    if (count < 0) {
      outcomes.push_back({given.probability, before});
      continue;
    }
    for (auto& outcome : distribution(scaled, count, method)) {
      outcome.probability *= given.probability;
      for (size_t e = 0; e < weights.size(); ++e) outcome.coefficients[e] *= before[e];
      outcomes.push_back(std::move(outcome));
    }
  }
  return outcomes;
}

/// A gradient tensor that sampling estimates: the sum of the contributions, each multiplied by a random
/// coefficient of expectation 1 whose joint distribution is known.
struct Estimated {
  std::string name;
  at::Tensor contributions;  ///< [n, numel] float64; the exact gradient is the sum over n
  Distribution outcomes;
  double rounding = 0;  ///< of a computed gradient, as a distance; far below what sampling adds
};

/// What is known of an Estimated before anything was drawn: of the error X of one draw, and of its ±1
/// projections.
struct ErrorLaw {
  double variance = 0;                                 ///< V = E‖X‖²
  double largest = 0;                                  ///< max ‖X‖
  double square_variance = 0;                          ///< Var ‖X‖²
  at::Tensor signs;                                    ///< [numel, kProjections]
  at::Tensor projection_variance, projection_largest;  ///< [kProjections]
};

inline ErrorLaw error_law(const Estimated& estimated) {
  const auto rows = static_cast<int64_t>(estimated.outcomes.size());
  const auto n = estimated.contributions.size(0);
  auto deviations = at::empty({rows, n}, at::kDouble), probabilities = at::empty({rows}, at::kDouble);
  auto* deviation = deviations.mutable_data_ptr<double>();
  for (int64_t r = 0; r < rows; ++r) {
    const auto& outcome = estimated.outcomes[static_cast<size_t>(r)];
    probabilities.mutable_data_ptr<double>()[r] = outcome.probability;
    for (int64_t i = 0; i < n; ++i) deviation[r * n + i] = outcome.coefficients[static_cast<size_t>(i)] - 1;
  }
  const auto& parts = estimated.contributions;
  const auto squares = (deviations.matmul(parts.matmul(parts.t())) * deviations).sum(1).clamp_min(0);
  ErrorLaw law;
  law.variance = probabilities.dot(squares).item<double>();
  law.largest = std::sqrt(squares.max().item<double>());
  law.square_variance = probabilities.dot((squares - law.variance).square()).item<double>();
  auto generator = at::detail::createCPUGenerator(17);
  law.signs = at::randint(0, 2, {parts.size(1), kProjections}, generator, at::kDouble) * 2 - 1;
  const auto projections = deviations.matmul(parts.matmul(law.signs));
  law.projection_variance = probabilities.unsqueeze(0).matmul(projections.square()).squeeze(0);
  law.projection_largest = projections.abs().amax(0);
  return law;
}

/// What many draws of one tensor gave.
struct DrawMoments {
  at::Tensor mean_error;   ///< [numel] mean gradient less the exact one
  double mean_square = 0;  ///< mean of ‖gradient - exact‖²
  double draws = 0;
};

class Draws {
 public:
  explicit Draws(const Estimated& estimated)
      : exact_(estimated.contributions.sum(0)), sum_(at::zeros_like(exact_)) {}

  /// @param gradient of one draw.
  void add(const at::Tensor& gradient) {
    const auto error = gradient.to(at::kDouble).reshape(-1) - exact_;
    sum_.add_(error);
    squares_ += error.dot(error).item<double>();
    count_ += 1;
  }
  DrawMoments moments() const { return {sum_ / count_, squares_ / count_, count_}; }

 private:
  at::Tensor exact_, sum_;
  double squares_ = 0, count_ = 0;
};

/// The comparisons that the draws fail, in words; empty when the mean is where it belongs.
inline std::vector<std::string> disagreements(const Estimated& estimated, const DrawMoments& seen) {
  const auto law = error_law(estimated);
  const double allowance = estimated.rounding;
  std::vector<std::string> failures;
  const auto compare = [&](const std::string& what, double got, double bound) {
    if (!(got <= bound))
      failures.push_back(estimated.name + ": " + what + " " + std::to_string(got) + " is above " +
                         std::to_string(bound));
  };
  compare("distance of the mean from the exact gradient", seen.mean_error.norm().item<double>(),
          bernstein(law.variance, law.largest, seen.draws) + allowance);
  const double square_largest = std::max(law.variance, law.largest * law.largest - law.variance);
  compare(
      "distance of the mean squared error from V", std::abs(seen.mean_square - law.variance),
      bernstein(law.square_variance, square_largest, seen.draws) + allowance * (allowance + 2 * law.largest));
  const auto projected = seen.mean_error.unsqueeze(0).matmul(law.signs).squeeze(0).abs();
  const double projected_allowance = allowance * std::sqrt(static_cast<double>(seen.mean_error.numel()));
  for (int64_t i = 0; i < kProjections; ++i)
    compare("projection " + std::to_string(i) + " of the mean error", projected[i].item<double>(),
            bernstein(law.projection_variance[i].item<double>(), law.projection_largest[i].item<double>(),
                      seen.draws) +
                projected_allowance);
  return failures;
}

/// The smallest probability with which an entry that has a gradient is kept.
inline double smallest_inclusion(const Estimated& estimated) {
  const auto n = static_cast<size_t>(estimated.contributions.size(0));
  std::vector<double> p(n, 0.0);
  for (const auto& outcome : estimated.outcomes)
    for (size_t i = 0; i < n; ++i)
      if (outcome.coefficients[i] != 0) p[i] += outcome.probability;
  double smallest = 1;
  for (size_t i = 0; i < n; ++i)
    if (estimated.contributions[static_cast<int64_t>(i)].any().item<bool>())
      smallest = std::min(smallest, p[i]);
  return smallest;
}

}  // namespace vcas::ops::testing
