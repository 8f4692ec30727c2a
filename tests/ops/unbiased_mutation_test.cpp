// The checks of unbiased_*_test.cpp are worth what they catch: the same estimates put together by hand from
// the kept entries pass them, and fail them as soon as 1/p is left out or p is off by 3 %.
#include <gtest/gtest.h>

#include <functional>

#include "ops/unbiased_estimates.h"
#include "sampling/draw.h"

namespace vcas::ops {
namespace unbiased_mutation_test {

using namespace testing;  // NOLINT(google-build-using-namespace): the support headers of this test
using sampling::DrawMethod;
using sampling::Site;

constexpr int64_t kDraws = 4000;

/// What a kept entry's gradient is multiplied by, from its inclusion probability.
using Scale = std::function<double(double p)>;
double right(double p) { return 1 / p; }

struct Mutant {
  std::string name;
  Scale scale;
  bool severe;
};
const std::vector<Mutant>& mutants() {
  static const std::vector<Mutant> all{
      {"1/p left out", [](double) { return 1.0; }, true},
      {"p 3 % too large", [](double p) { return 1 / std::min(1.0, 1.03 * p); }, false},
      {"p 3 % too small", [](double p) { return p == 1 ? 1.0 : 1 / (0.97 * p); }, false},
  };
  return all;
}

struct Scales {
  std::array<Scale, kBlocks> samples{right, right};
  Scale rows = right;
};

/// Coefficients of all entries under one draw.
std::vector<double> coefficients(const std::vector<double>& weights, int64_t count,
                                 const sampling::BlockPlan& plan, Site site, const Scale& scale) {
  const auto drawn =
      sampling::draw(at::tensor(weights, at::kDouble), count, plan.draw_method, plan.stream.at(site));
  std::vector<double> result(weights.size(), 0.0);
  for (int64_t j = 0; j < drawn.indices.numel(); ++j)
    if (const auto i = drawn.indices[j].item<int64_t>(); i >= 0)
      result[static_cast<size_t>(i)] = scale(std::min(1.0, 1 / drawn.scales[j].item<double>()));
  return result;
}

/// The estimates of a sampling plan, from the contributions of whatever the draws keep.
class ByHand {
 public:
  ByHand(const Model& model, const ModelGradient& gradient, Sampling sampling, Scales scales)
      : gradient_(gradient),
        sampling_(std::move(sampling)),
        scales_(std::move(scales)),
        source_(samples_of_rows(model)) {}

  /// By leaf, what the contributions are multiplied by: of samples, or of rows where these are sampled.
  std::vector<std::vector<double>> draw(uint32_t number) const {
    std::array<std::vector<double>, kBlocks> samples;
    samples[1] = draw_samples(1, std::vector<double>(gradient_.sample_norms[1].size(), 1.0), number);
    samples[0] = draw_samples(0, samples[1], number);
    std::vector<std::vector<double>> result;
    for (size_t index = 0; index < gradient_.by_sample.size(); ++index)
      result.push_back(samples[static_cast<size_t>(block_of_leaf(index))]);
    for (size_t block = 0; block < kBlocks; ++block)
      for (size_t linear = 0; linear < kTransformerWeights; ++linear)
        if (sampling_.row_count(block, linear) > 0)
          result[leaf(static_cast<int64_t>(block), kWeightOf[linear])] =
              draw_rows(block, linear, samples[block], number);
    return result;
  }

 private:
  std::vector<double> draw_samples(size_t block, const std::vector<double>& arriving, uint32_t number) const {
    auto weights = gradient_.sample_norms[block];
    for (size_t i = 0; i < weights.size(); ++i) weights[i] *= arriving[i];
    auto result = coefficients(weights, sampling_.samples[block], sampling_.plan(block, number),
                               Site::sample_activation, scales_.samples[block]);
    for (size_t i = 0; i < result.size(); ++i) result[i] *= arriving[i];
    return result;
  }

  /// The rows of the kept samples stand one after the other, and those are what a linear draws from.
  std::vector<double> draw_rows(size_t block, size_t linear, const std::vector<double>& samples,
                                uint32_t number) const {
    const auto leverage = scores(gradient_.by_row[block][linear]);
    std::vector<size_t> rows;
    std::vector<double> weights;
    for (size_t r = 0; r < leverage.size(); ++r) {
      if (samples[source_[r]] == 0) continue;
      rows.push_back(r);
      weights.push_back(leverage[r] * samples[source_[r]]);
    }
    std::vector<double> result(leverage.size(), 0.0);
    if (rows.empty()) return result;
    const int64_t count = std::min(sampling_.row_count(block, linear), static_cast<int64_t>(rows.size()));
    const auto site = static_cast<Site>(static_cast<uint32_t>(Site::sample_weight) + linear);
    const auto kept = coefficients(weights, count, sampling_.plan(block, number), site, scales_.rows);
    for (size_t j = 0; j < rows.size(); ++j) result[rows[j]] = kept[j] * samples[source_[rows[j]]];
    return result;
  }

  const ModelGradient& gradient_;
  Sampling sampling_;
  Scales scales_;
  std::vector<size_t> source_;
};

class UnbiasedMutants : public ::testing::TestWithParam<DrawMethod> {
 protected:
  struct Subject {
    Model model;
    ModelGradient gradient;
  };
  static Subject subject(const std::vector<int64_t>& lengths) {
    Subject result{make_model(lengths, at::kDouble, Implementation::plain), {}};
    result.gradient = exact_gradient(result.model);
    return result;
  }
  /// Seven samples for SampleA; eight rows for SampleW.
  Subject samples_ = subject({3, 2, 4, 2, 3, 4, 2}), rows_ = subject({2, 3, 2, 1});

  /// SampleA of one block alone, the other keeps everything.
  Sampling samples_of(size_t block) const {
    Sampling sampling{{7, 7}, {}, GetParam()};
    sampling.samples[block] = 6;
    return sampling;
  }
  /// Query and key have seven rows with a gradient: a sample of one row has none there.
  Sampling rows_only() const {
    const std::vector<int64_t> counts{6, 6, 7, 7, 7, 7};
    return {{4, 4}, {counts, counts}, GetParam()};
  }
  Sampling together() const { return {{2, 3}, {{{2, 3, 2, 3, 3, 2}, {4, 5, 3, 4, 5, 4}}}, GetParam()}; }

  std::vector<std::string> disagreements_of(const Subject& subject, const Sampling& sampling,
                                            const Scales& scales) const {
    const auto expected = estimates(subject.model, subject.gradient, sampling, kPlainDouble.rounding);
    const ByHand by_hand(subject.model, subject.gradient, sampling, scales);
    std::vector<std::vector<double>> drawn(expected.size());
    for (uint32_t d = 0; d < kDraws; ++d) {
      const auto draw = by_hand.draw(d);
      for (size_t t = 0; t < drawn.size(); ++t)
        drawn[t].insert(drawn[t].end(), draw[t].begin(), draw[t].end());
    }
    std::vector<std::string> failures;
    for (size_t t = 0; t < expected.size(); ++t) {
      const auto& parts = expected[t].contributions;
      const auto deviations = at::tensor(drawn[t], at::kDouble).view({kDraws, -1}) - 1;
      const DrawMoments seen{
          deviations.mean(0).unsqueeze(0).matmul(parts).squeeze(0),
          (deviations.matmul(parts.matmul(parts.t())) * deviations).sum(1).mean().item<double>(), kDraws};
      auto found = disagreements(expected[t], seen);
      std::move(found.begin(), found.end(), std::back_inserter(failures));
    }
    return failures;
  }

  /// Whether a tensor has a failed comparison of its mean (and not of its squared error alone).
  static bool mean_is_caught(const std::vector<std::string>& failures, const std::string& tensor) {
    return std::any_of(failures.begin(), failures.end(), [&](const std::string& failure) {
      return failure.starts_with(tensor + ":") && failure.find("squared error") == std::string::npos;
    });
  }
};

INSTANTIATE_TEST_SUITE_P(All, UnbiasedMutants, ::testing::Values(DrawMethod::fixed, DrawMethod::bernoulli),
                         [](const auto& variant) {
                           return variant.param == DrawMethod::fixed ? "Fixed" : "Bernoulli";
                         });

TEST_P(UnbiasedMutants, ByHandIsWhatTheOperatorComputes) {
  const auto sampling = together();
  const auto expected = estimates(rows_.model, rows_.gradient, sampling, 0);
  const ByHand by_hand(rows_.model, rows_.gradient, sampling, {});
  ModelPass pass(rows_.model);
  for (uint32_t d = 0; d < 100; ++d) {
    const auto draw = by_hand.draw(d);
    const auto computed = pass.backward(sampling.plans(d));
    for (size_t t = 0; t < expected.size(); ++t) {
      const auto factors = at::tensor(draw[t], at::kDouble).unsqueeze(0);
      const auto combined = factors.matmul(expected[t].contributions).reshape(computed[t].sizes());
      EXPECT_LT((combined - computed[t]).norm().item<double>(),
                kPlainDouble.rounding * 10 * rows_.gradient.norm)
          << expected[t].name << ", draw " << d;
    }
  }
}

TEST_P(UnbiasedMutants, RightScalesPass) {
  const std::vector<std::string> none;
  for (size_t block = 0; block < kBlocks; ++block)
    EXPECT_EQ(disagreements_of(samples_, samples_of(block), {}), none);
  EXPECT_EQ(disagreements_of(rows_, rows_only(), {}), none);
}

TEST_P(UnbiasedMutants, WrongScalesOfEitherBlocksSamplesAreCaught) {
  for (const auto& mutant : mutants()) {
    for (size_t block = 0; block < kBlocks; ++block) {
      Scales scales;
      scales.samples[block] = mutant.scale;
      const auto failures = disagreements_of(samples_, samples_of(block), scales);
      EXPECT_TRUE(mean_is_caught(failures, leaf_name(leaf(static_cast<int64_t>(block), 15))))
          << mutant.name << ", block " << block;
    }
  }
}

TEST_P(UnbiasedMutants, WrongScalesOfRowsAreCaught) {
  for (const auto& mutant : mutants()) {
    Scales scales;
    scales.rows = mutant.scale;
    const auto failures = disagreements_of(rows_, rows_only(), scales);
    int64_t caught = 0;
    for (int64_t block = 0; block < kBlocks; ++block)
      for (const size_t weight : kWeightOf)
        caught += mean_is_caught(failures, leaf_name(leaf(block, weight))) ? 1 : 0;
    // A missing 1/p shows in every linear. A few per cent drown in the noise of those whose rows' gradients
    // cancel (query and key above all); the linears share their code, and one that stands out fails the test.
    EXPECT_GE(caught, mutant.severe ? kBlocks * kTransformerWeights : 1) << mutant.name;
  }
}

}  // namespace unbiased_mutation_test
}  // namespace vcas::ops
