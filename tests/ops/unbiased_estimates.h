#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ops/statistics_support.h"
#include "ops/unbiased_model.h"

/// What every tensor of the small model's gradient must be on average under a sampling plan, and the check of
/// the operator against it.
namespace vcas::ops::testing {

/// How much of the two blocks is kept.
struct Sampling {
  std::array<int64_t, kBlocks> samples;
  std::array<std::vector<int64_t>, kBlocks> rows;  ///< by linear, or empty: all
  sampling::DrawMethod method = sampling::DrawMethod::fixed;

  int64_t row_count(size_t block, size_t linear) const {
    return rows[block].empty() ? sampling::BlockPlan::kAllRows : rows[block][linear];
  }
  sampling::BlockPlan plan(size_t block, uint32_t micro_batch) const {
    sampling::BlockPlan plan;
    plan.sampled = true;
    plan.draw_method = method;
    plan.stream = {.seed = 7, .micro_batch = micro_batch, .layer = static_cast<uint32_t>(block)};
    plan.sample_count = samples[block];
    for (size_t linear = 0; linear < kTransformerWeights; ++linear)
      plan.row_counts.push_back(row_count(block, linear));
    return plan;
  }
  std::array<sampling::BlockPlan, kBlocks> plans(uint32_t micro_batch) const {
    return {plan(0, micro_batch), plan(1, micro_batch)};
  }
};

inline std::vector<size_t> samples_of_rows(const Model& model) {
  std::vector<size_t> result;
  const auto sample = sample_of_row(model);
  for (int64_t r = 0; r < model.rows(); ++r) result.push_back(static_cast<size_t>(sample[r].item<int64_t>()));
  return result;
}

inline std::vector<size_t> identity(size_t n) {
  std::vector<size_t> indices(n);
  std::iota(indices.begin(), indices.end(), size_t{0});
  return indices;
}

/// Leverage scores: dZ_rᵀ X_r has rank one, so that its norm is ‖dZ_r‖·‖X_r‖.
inline std::vector<double> scores(const at::Tensor& contributions) {
  const auto norms = contributions.norm(2, 1);
  return {norms.const_data_ptr<double>(), norms.const_data_ptr<double>() + norms.numel()};
}

inline std::string leaf_name(size_t index) {
  if (index == 0) return "x";
  return std::string(block_of_leaf(index) == 0 ? "lower" : "upper") + " parameter " +
         std::to_string(index - leaf(block_of_leaf(index), 0));
}

/// @param earlier joint distribution of the samples' coefficients at each block.
inline std::vector<Estimated> estimates(const Model& model, const ModelGradient& gradient,
                                        const Sampling& sampling,
                                        const std::array<Distribution, kBlocks>& samples, double rounding) {
  std::vector<Estimated> result;
  for (size_t index = 0; index < gradient.by_sample.size(); ++index) {
    const auto block = static_cast<size_t>(block_of_leaf(index));
    result.push_back({leaf_name(index), gradient.by_sample[index], samples[block], rounding * gradient.norm});
  }
  const auto source = samples_of_rows(model);
  for (size_t block = 0; block < kBlocks; ++block) {
    for (size_t linear = 0; linear < kTransformerWeights; ++linear) {
      const int64_t count = sampling.row_count(block, linear);
      if (count < 0) continue;
      const auto& parts = gradient.by_row[block][linear];
      auto& estimated = result[leaf(static_cast<int64_t>(block), kWeightOf[linear])];
      estimated.outcomes = then_draw(samples[block], scores(parts), source, count, sampling.method);
      estimated.contributions = parts;
    }
  }
  return result;
}

/// Both blocks drawn anew each time, the lower one among what the upper one kept.
inline std::vector<Estimated> estimates(const Model& model, const ModelGradient& gradient,
                                        const Sampling& sampling, double rounding) {
  const auto n = static_cast<size_t>(model.samples());
  const Distribution all{{1.0, std::vector<double>(n, 1.0)}};
  const auto upper =
      then_draw(all, gradient.sample_norms[1], identity(n), sampling.samples[1], sampling.method);
  const auto lower =
      then_draw(upper, gradient.sample_norms[0], identity(n), sampling.samples[0], sampling.method);
  return estimates(model, gradient, sampling, {lower, upper}, rounding);
}

/// Every comparison that fails, over all tensors. @param draw gives one gradient: a tensor an estimate.
template <typename Draw>
std::vector<std::string> disagreements(const std::vector<Estimated>& expected, int64_t draws, Draw&& draw) {
  std::vector<Draws> seen(expected.begin(), expected.end());
  for (int64_t d = 0; d < draws; ++d) {
    const std::vector<at::Tensor> gradient = draw(static_cast<uint32_t>(d));
    for (size_t t = 0; t < seen.size(); ++t) seen[t].add(gradient[t]);
  }
  std::vector<std::string> failures;
  for (size_t t = 0; t < seen.size(); ++t) {
    auto found = disagreements(expected[t], seen[t].moments());
    std::move(found.begin(), found.end(), std::back_inserter(failures));
  }
  return failures;
}

/// Where a case runs: float64 by ordinary tensor operations, or float32 by the kernels.
struct Arithmetic {
  at::ScalarType type;
  Implementation implementation;
  /// Of a gradient, against the norm of the whole one: a few hundred roundings of 2^-53 or 2^-24.
  double rounding;
};
inline constexpr Arithmetic kPlainDouble{at::kDouble, Implementation::plain, 1e-13};
inline constexpr Arithmetic kFloatKernels{at::kFloat, Implementation::automatic, 1e-5};

using Variant = std::tuple<sampling::DrawMethod, Arithmetic>;

class Unbiased : public ::testing::TestWithParam<Variant> {
 protected:
  sampling::DrawMethod method() const { return std::get<0>(GetParam()); }
  const Arithmetic& arithmetic() const { return std::get<1>(GetParam()); }
  Model model(const std::vector<int64_t>& lengths) const {
    return make_model(lengths, arithmetic().type, arithmetic().implementation);
  }
};

inline std::string variant_name(const ::testing::TestParamInfo<Variant>& info) {
  const bool fixed = std::get<0>(info.param) == sampling::DrawMethod::fixed;
  const bool plain = std::get<1>(info.param).type == at::kDouble;
  return std::string(fixed ? "Fixed" : "Bernoulli") + (plain ? "PlainDouble" : "FloatKernels");
}

inline auto all_variants() {
  return ::testing::Combine(::testing::Values(sampling::DrawMethod::fixed, sampling::DrawMethod::bernoulli),
                            ::testing::Values(kPlainDouble, kFloatKernels));
}

inline void expect_inclusion_at_least(const std::vector<Estimated>& expected, double smallest) {
  for (const auto& estimated : expected) EXPECT_GE(smallest_inclusion(estimated), smallest) << estimated.name;
}

}  // namespace vcas::ops::testing
