// Gradients of blocks that are no transformer layers are right on average under SampleA and SampleW. Draws
// are few, so that their distribution is enumerated and the bounds follow from it (ops/statistics_support.h):
// a false alarm of at most 1e-11 a comparison, of fewer than 10,000 comparisons here, 1e-7 together. Seeds
// are fixed.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <numeric>
#include <string>
#include <vector>

#include "nn/fake_model.h"
#include "ops/statistics_support.h"

namespace vcas::nn {
namespace unbiased_test {

using ops::testing::disagreements;
using ops::testing::Distribution;
using ops::testing::Draws;
using ops::testing::Estimated;
using ops::testing::then_draw;
using testing::fake_batch;
using testing::FakeBatch;
using testing::FakeBlockOptions;
using testing::FakeModel;
using testing::RowsOf;

constexpr int64_t kDraws = 3000;
/// Of gradients of order one in float64, against which sampling adds about as much as they are.
constexpr double kRounding = 1e-12;

std::vector<size_t> identity(size_t n) {
  std::vector<size_t> indices(n);
  std::iota(indices.begin(), indices.end(), size_t{0});
  return indices;
}

std::vector<size_t> samples_of_rows(const std::vector<int64_t>& offsets) {
  std::vector<size_t> samples;
  for (size_t i = 0; i + 1 < offsets.size(); ++i)
    samples.insert(samples.end(), static_cast<size_t>(offsets[i + 1] - offsets[i]), i);
  return samples;
}

/// The exact gradient in parts, by a forward pass of its own whose weights have a copy for each row.
struct Parts {
  std::vector<std::vector<at::Tensor>> by_row;     ///< [block][weight] [R_w, numel]
  std::vector<std::vector<double>> sample_norms;   ///< [block][N], of the gradient at the block's output
  at::Tensor head;                                 ///< [N, numel]
  std::vector<std::vector<at::Tensor>> by_sample;  ///< [block][weight] [N, numel], by the top's samples
};

Parts exact_parts(const FakeModel& model, const FakeBatch& batch) {
  std::vector<at::Tensor> wanted, outputs;
  std::vector<at::Tensor> row_weights;
  const auto logits = model.logits(batch, [&](size_t b, const at::Tensor& x) {
    const auto& block = *model.blocks()[b];
    outputs.push_back(block.combine(x, batch.offsets, [&](size_t w, const at::Tensor& rows) {
      row_weights.push_back(
          block.weights()[w].detach().unsqueeze(0).repeat({rows.size(0), 1, 1}).set_requires_grad(true));
      return at::matmul(row_weights.back(), rows.unsqueeze(2)).squeeze(2);
    }));
    return outputs.back();
  });
  wanted = row_weights;
  wanted.insert(wanted.end(), outputs.begin(), outputs.end());
  wanted.push_back(model.head());
  const auto losses = at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::None) / batch.size();
  std::vector<std::vector<at::Tensor>> of_sample;
  for (int64_t i = 0; i < batch.size(); ++i)
    of_sample.push_back(torch::autograd::grad({losses[i]}, wanted, {}, /*retain_graph=*/true));
  const auto stacked = [&](size_t t, bool rows) {
    std::vector<at::Tensor> all;
    for (const auto& sample : of_sample) all.push_back(rows ? sample[t] : sample[t].reshape({-1}));
    return at::stack(all);
  };
  Parts parts;
  size_t next = 0;
  for (const auto& block : model.blocks()) {
    parts.by_row.emplace_back();
    parts.by_sample.emplace_back();
    for (size_t w = 0; w < block->weights().size(); ++w, ++next) {
      const auto of_rows = stacked(next, true);  // [N, R_w, out, in]
      parts.by_row.back().push_back(of_rows.sum(0).flatten(1));
      parts.by_sample.back().push_back(of_rows.sum(1).flatten(1));
    }
  }
  for (size_t b = 0; b < outputs.size(); ++b) {
    const auto norms = stacked(row_weights.size() + b, true).flatten(1).norm(2, 1);
    parts.sample_norms.push_back(to_vector<double>(norms));
  }
  parts.head = stacked(wanted.size() - 1, false);
  return parts;
}

/// The gradients of many draws, compared with what each should be.
/// @param expected by trainable parameter.
std::vector<std::string> failures_of(const FakeModel& model, const FakeBatch& batch,
                                     sampling::SamplingPlan plan, const std::vector<Estimated>& expected) {
  std::vector<Draws> seen(expected.begin(), expected.end());
  for (int64_t draw = 0; draw < kDraws; ++draw) {
    auto pass = model.forward(batch, {.seed = 7, .micro_batch = draw});
    const auto gradients = pass.backward({.plan = plan}).gradients;
    for (size_t i = 0; i < seen.size(); ++i) seen[i].add(gradients[i]);
  }
  std::vector<std::string> failures;
  for (size_t i = 0; i < seen.size(); ++i) {
    for (auto& failure : disagreements(expected[i], seen[i].moments()))
      failures.push_back(std::move(failure));
  }
  return failures;
}

std::vector<double> scores(const at::Tensor& contributions) {
  return to_vector<double>(contributions.norm(2, 1));
}

class UnbiasedBlocks : public ::testing::TestWithParam<sampling::DrawMethod> {
 protected:
  static FakeBlockOptions block_of(std::vector<testing::FakeWeight> weights) {
    FakeBlockOptions options;
    options.size = 3;
    options.weights = std::move(weights);
    options.dtype = at::kDouble;
    return options;
  }
  static FakeBatch batch_of(const std::vector<int64_t>& lengths) {
    return fake_batch(lengths, at::kDouble, 0.3, /*size=*/3);
  }
  /// @param samples joint distribution of the samples' coefficients at the block.
  Estimated weight(const FakeModel& model, const FakeBatch& batch, const Parts& parts, size_t b, size_t w,
                   const Distribution& samples, int64_t count) const {
    const auto& rows = parts.by_row[b][w];
    const auto source = samples_of_rows(model.blocks()[b]->groups(w, batch.offsets).offsets);
    return {"block " + std::to_string(b) + " weight " + std::to_string(w), rows,
            then_draw(samples, scores(rows), source, count, GetParam()), kRounding};
  }
  Estimated head(const Parts& parts) const {
    const auto n = static_cast<size_t>(parts.head.size(0));
    return {"head", parts.head, {{1.0, std::vector<double>(n, 1.0)}}, kRounding};
  }
};
INSTANTIATE_TEST_SUITE_P(Methods, UnbiasedBlocks,
                         ::testing::Values(sampling::DrawMethod::fixed, sampling::DrawMethod::bernoulli));

TEST_P(UnbiasedBlocks, WithWeightsOnEveryRowOnPairsAndOnOneRowASample) {
  const FakeModel model(
      {block_of({{"weight"}}),
       block_of({{"rows"}, {"pairs", RowsOf::pairs_of_rows}, {"samples", RowsOf::samples}})});
  const auto batch = batch_of({2, 3, 1, 2});
  const auto parts = exact_parts(model, batch);
  sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.draw_method = GetParam();
  plan.sample_keep_ratio = {0.5, 0.75};
  plan.row_keep_ratio = {{0.5}, {0.5, 0.5, 0.7}};

  const auto rows = model.forward(batch).rows();
  const Distribution all{{1.0, std::vector<double>(4, 1.0)}};
  const auto upper_counts = sampling::block_counts(0.75, plan.row_keep_ratio[1], rows[1]);
  const auto lower_counts = sampling::block_counts(0.5, plan.row_keep_ratio[0], rows[0]);
  const auto upper = then_draw(all, parts.sample_norms[1], identity(4), upper_counts.samples, GetParam());
  const auto lower = then_draw(upper, parts.sample_norms[0], identity(4), lower_counts.samples, GetParam());
  std::vector<Estimated> expected{head(parts),
                                  weight(model, batch, parts, 0, 0, lower, lower_counts.kept[0])};
  for (size_t w = 0; w < 3; ++w)
    expected.push_back(weight(model, batch, parts, 1, w, upper, upper_counts.kept[w]));
  EXPECT_EQ(failures_of(model, batch, plan, expected), std::vector<std::string>{});
}

TEST_P(UnbiasedBlocks, ThatMixSamples) {
  auto mixing = block_of({{"weight"}});
  mixing.mixes_samples = true;
  const FakeModel model({mixing});
  const auto batch = batch_of({2, 3, 1, 2});
  // Contributions to the weight by the samples of the block's output, which are the losses': the head reads
  // each sample's own rows.
  const auto parts = exact_parts(model, batch);
  sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.draw_method = GetParam();
  plan.sample_keep_ratio = {0.5};
  plan.row_keep_ratio = {{1}};
  const Distribution all{{1.0, std::vector<double>(4, 1.0)}};
  const auto kept = then_draw(all, parts.sample_norms[0], identity(4), 2, GetParam());
  const std::vector<Estimated> expected{head(parts), {"weight", parts.by_sample[0][0], kept, kRounding}};
  EXPECT_EQ(failures_of(model, batch, plan, expected), std::vector<std::string>{});
}

TEST_P(UnbiasedBlocks, ThatDoNotSampleActivations) {
  auto rows_only = block_of({{"rows"}, {"samples", RowsOf::samples}});
  rows_only.samples_activations = false;
  const FakeModel model({rows_only});
  const auto batch = batch_of({2, 3, 1});
  const auto parts = exact_parts(model, batch);
  sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.draw_method = GetParam();
  plan.sample_keep_ratio = {1};
  plan.row_keep_ratio = {{0.5, 0.7}};
  const Distribution all{{1.0, std::vector<double>(3, 1.0)}};
  const std::vector<Estimated> expected{head(parts), weight(model, batch, parts, 0, 0, all, 3),
                                        weight(model, batch, parts, 0, 1, all, 2)};
  EXPECT_EQ(failures_of(model, batch, plan, expected), std::vector<std::string>{});
}

}  // namespace unbiased_test
}  // namespace vcas::nn
