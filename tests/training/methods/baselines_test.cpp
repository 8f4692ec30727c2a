#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "sampling/host.h"
#include "training/small_bert.h"
#include "vcas/training/loop/batch_source.h"
#include "vcas/training/methods/exact.h"
#include "vcas/training/methods/methods.h"
#include "vcas/training/methods/selective_backprop.h"
#include "vcas/training/methods/upper_bound.h"

namespace vcas::training {
namespace baselines_test {

using testing::SmallBert;

/// Two blocks of two weights and one.
sampling::SamplingLayout two_blocks() {
  sampling::SamplingLayout layout;
  layout.blocks.resize(2);
  layout.blocks[0].weights = {{"a"}, {"b"}};
  layout.blocks[1].weights = {{"c"}};
  return layout;
}

/// What a method asks of a pass.
struct Request {
  at::Tensor sample_weights;
  std::vector<sampling::BlockPlan> plans;
  double loss_scale = 0;
};

/// Given losses and norms; notes the weights that it is asked for.
class NotingLoss final : public nn::Loss {
 public:
  NotingLoss(const std::vector<double>& values, at::Tensor graph, Request& request)
      : values_(at::tensor(values, at::kDouble)), graph_(std::move(graph)), request_(request) {}

  at::Tensor total(const at::Tensor& sample_weights) const override {
    request_.sample_weights = sample_weights;
    return graph_;
  }
  at::Tensor sample_losses() const override { return values_; }
  at::Tensor output_gradient_norms() const override { return values_; }

 private:
  at::Tensor values_, graph_;
  Request& request_;
};

Request request_of(Method& method, const std::vector<double>& values, int64_t number,
                   const sampling::SamplingLayout& layout = two_blocks()) {
  const auto leaf = [] { return at::zeros({1}, at::kDouble).set_requires_grad(true); };
  nn::Recording recording(nn::PassOptions{});
  const at::Tensor parameter = leaf();
  at::Tensor graph = parameter.sum();
  for (const auto& block : layout.blocks) {
    nn::BlockRecord record;
    record.plan = sampling::make_plan_tensor(static_cast<int64_t>(block.weights.size()));
    record.rows.samples = static_cast<int64_t>(values.size());
    record.rows.weight_rows.assign(block.weights.size(), record.rows.samples);
    record.flops = leaf();
    graph = graph + record.flops.sum();
    recording.add(record);
  }
  Request request;
  MicroBatch batch{{recording, {parameter}, std::make_unique<NotingLoss>(values, graph, request), {}},
                   {.number = number}};
  const auto result = method.backward(batch, /*loss_scale=*/0.5);
  for (const auto& block : recording.blocks()) request.plans.push_back(sampling::read_plan(block.plan));
  request.loss_scale = result.gradients.front().item<double>();
  return request;
}

std::vector<double> weights_of(const Request& request) {
  const auto* data = request.sample_weights.const_data_ptr<double>();
  return {data, data + request.sample_weights.numel()};
}

int64_t kept(const std::vector<double>& weights) {
  return std::count_if(weights.begin(), weights.end(), [](double weight) { return weight != 0; });
}

/// Of the mean of n draws that are 1 with probability p: six standard deviations, and a draw.
double frequency_tolerance(double p, double n) { return 6 * std::sqrt(p * (1 - p) / n) + 1 / n; }

TEST(LossHistory, CountsTheLastLossesThatAreAtMostOne) {
  LossHistory history(4);
  EXPECT_EQ(history.share_at_most(1), 0);
  history.add({3, 1, 2});
  EXPECT_DOUBLE_EQ(history.share_at_most(2), 2.0 / 3);
  history.add({5, 4});
  EXPECT_EQ(history.values(), (std::vector<double>{1, 2, 5, 4}));
  EXPECT_DOUBLE_EQ(history.share_at_most(4), 0.75);
}

TEST(SelectiveBackprop, KeepsEachSampleByItsLossesRank) {
  constexpr int64_t kBatches = 4000, kSamples = 8;
  std::vector<double> losses(kSamples);
  std::iota(losses.begin(), losses.end(), 1.0);
  SelectiveBackprop method({.beta = 2, .history_size = kSamples}, two_blocks(), 3);
  std::vector<double> frequency(kSamples, 0);
  double total = 0;
  for (int64_t number = 0; number < kBatches; ++number) {
    const auto request = request_of(method, losses, number);
    const auto weights = weights_of(request);
    const auto count = static_cast<double>(kept(weights));
    total += count;
    for (size_t i = 0; i < weights.size(); ++i) {
      ASSERT_TRUE(weights[i] == 0 || std::abs(weights[i] - kSamples / count) < 1e-12);
      frequency[i] += weights[i] == 0 ? 0 : 1.0 / kBatches;
    }
    ASSERT_EQ(method.status()->sample_keep_ratio, std::vector<double>(2, count / kSamples));
    for (const auto& plan : request.plans) ASSERT_EQ(static_cast<double>(plan.sample_count), count);
    ASSERT_EQ(request.loss_scale, 0.5);
  }
  for (size_t i = 0; i < kSamples; ++i) {
    const double probability = std::pow(losses[i] / kSamples, 2);
    EXPECT_NEAR(frequency[i], probability, frequency_tolerance(probability, kBatches)) << "sample " << i;
  }
  double expected = 0;  // the highest loss is always kept here, so that no draw is empty
  for (const double loss : losses) expected += std::pow(loss / kSamples, 2);
  EXPECT_NEAR(total / kBatches, expected, 0.15);
}

TEST(SelectiveBackprop, KeepsAThirdOfDifferentLossesOnAverage) {
  constexpr int64_t kBatches = 400, kSamples = 32;
  SelectiveBackprop method({}, two_blocks(), 3);
  double total = 0;
  for (int64_t number = 0; number < kBatches; ++number) {
    std::vector<double> losses;
    for (int64_t i = 0; i < kSamples; ++i)
      losses.push_back(std::fmod(static_cast<double>(number * kSamples + i) * 0.6180339887, 1.0));
    total += static_cast<double>(kept(weights_of(request_of(method, losses, number))));
  }
  EXPECT_NEAR(total / (kBatches * kSamples), 1.0 / 3, 0.03);
}

TEST(SelectiveBackprop, KeepsTheHighestLossWhereTheDrawKeepsNone) {
  SelectiveBackprop method({.beta = 1000, .history_size = 1000}, two_blocks(), 3);
  request_of(method, std::vector<double>(900, 9.0), 0);
  const auto weights = weights_of(request_of(method, {1, 3, 2}, 1));
  EXPECT_EQ(weights, (std::vector<double>{0, 3, 0}));
}

TEST(UpperBound, DrawsByTheNormsAndDividesByTheProbability) {
  constexpr int64_t kBatches = 4000;
  const std::vector<double> norms = {0.5, 1, 1.5, 2, 2.5, 3, 0.25, 4, 0.75};
  std::vector<double> probabilities(norms.size());
  sampling::inclusion_probabilities(norms, 3, probabilities);
  for (const auto draw_method : {sampling::DrawMethod::fixed, sampling::DrawMethod::bernoulli}) {
    UpperBoundSampling method({}, draw_method, two_blocks(), 3);
    std::vector<double> frequency(norms.size(), 0);
    for (int64_t number = 0; number < kBatches; ++number) {
      const auto weights = weights_of(request_of(method, norms, number));
      if (draw_method == sampling::DrawMethod::fixed) {
        ASSERT_EQ(kept(weights), 3);
      }
      for (size_t i = 0; i < norms.size(); ++i) {
        ASSERT_TRUE(weights[i] == 0 || std::abs(weights[i] * probabilities[i] - 1) < 1e-9);
        frequency[i] += weights[i] == 0 ? 0 : 1.0 / kBatches;
      }
    }
    for (size_t i = 0; i < norms.size(); ++i)
      EXPECT_NEAR(frequency[i], probabilities[i], frequency_tolerance(probabilities[i], kBatches));
  }
}

TEST(Baselines, KeepEverySampleBelowABlockThatMixesThem) {
  sampling::SamplingLayout layout;
  layout.blocks.resize(5);
  layout.blocks[1].mixes_samples = true;
  layout.blocks[3].chain = layout.blocks[4].chain = 1;
  UpperBoundSampling method({}, sampling::DrawMethod::fixed, layout, 3);
  const auto request = request_of(method, {0.5, 1, 1.5, 2, 2.5, 3}, 0, layout);
  std::vector<int64_t> counts;
  for (const auto& plan : request.plans) counts.push_back(plan.sample_count);
  EXPECT_EQ(counts, (std::vector<int64_t>{6, 2, 2, 2, 2}));
}

TEST(Baselines, RefuseOptionsOutOfRange) {
  EXPECT_ANY_THROW(SelectiveBackprop({.beta = -1}, two_blocks(), 1));
  EXPECT_ANY_THROW(SelectiveBackprop({.history_size = 0}, two_blocks(), 1));
  EXPECT_ANY_THROW(UpperBoundSampling({.keep_ratio = 0}, sampling::DrawMethod::fixed, two_blocks(), 1));
  EXPECT_ANY_THROW(UpperBoundSampling({.keep_ratio = 1.5}, sampling::DrawMethod::fixed, two_blocks(), 1));
  SmallBert run({});
  EXPECT_THROW(make_method({.name = "adam"}, run.task.model(), 1), std::invalid_argument);
}

/// All gradients of a pass in one row, float64.
at::Tensor flat(const std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> rows;
  rows.reserve(gradients.size());
  for (const auto& gradient : gradients)
    rows.push_back((gradient.is_sparse() ? gradient.to_dense() : gradient).reshape({-1}).to(at::kDouble));
  return at::cat(rows);
}

/// One batch without dropout, so that every forward pass over it is the same.
class BaselineGradients : public ::testing::Test {
 protected:
  static constexpr int64_t kSamples = 12;

  MicroBatch forward(int64_t number) {
    return testing::forward(run_.task, *batch_, {.seed = 1, .micro_batch = number});
  }
  at::Tensor exact_gradient(const at::Tensor& weights) {
    return flat(forward(0).pass.backward({.sample_weights = weights}).gradients);
  }

  SmallBert run_{{.batch_size = kSamples, .dropout = 0}};
  ExactMethod exact_;
  std::unique_ptr<nn::Batch> batch_ = BatchSource(run_.task, exact_, run_.train_options).take({});
};

TEST_F(BaselineGradients, AreThoseOfTheWeightedLossAtAThirdOfTheWork) {
  const auto norms = forward(0).pass.output_gradient_norms().to(at::kDouble).contiguous();
  const std::span<const double> weights(norms.const_data_ptr<double>(), kSamples);
  UpperBoundSampling method({}, sampling::DrawMethod::fixed, run_.task.model().layout(), 5);
  auto batch = forward(9);
  const auto sampled = method.backward(batch, 1);
  const auto draw = sampling::draw(weights, kSamples / 3, sampling::DrawMethod::fixed,
                                   {.seed = 5, .micro_batch = 9, .site = sampling::Site::sample_selection});
  at::Tensor expected_weights = at::zeros({kSamples}, at::kDouble);
  for (size_t i = 0; i < draw.indices.size(); ++i) expected_weights[draw.indices[i]] = draw.scales[i];
  const auto expected = exact_gradient(expected_weights);
  EXPECT_LT((flat(sampled.gradients) - expected).norm().item<double>(),
            1e-5 * expected.norm().item<double>());
  EXPECT_NEAR(sampled.flops / batch.pass.exact_flops().backward, 1.0 / 3, 0.12);
}

/// Gradients of each sample alone, from which mean and variance of every draw are known.
TEST_F(BaselineGradients, OfTheUpperBoundAreUnbiased) {
  constexpr int64_t kDraws = 600, kProjections = 16;
  const auto norms = forward(0).pass.output_gradient_norms().to(at::kDouble).contiguous();
  std::vector<double> probabilities(kSamples);
  sampling::inclusion_probabilities({norms.const_data_ptr<double>(), static_cast<size_t>(kSamples)},
                                    kSamples / 3, probabilities);
  const at::Tensor p = at::tensor(probabilities, at::kDouble).unsqueeze(1);
  std::vector<at::Tensor> single;
  for (int64_t i = 0; i < kSamples; ++i)
    single.push_back(exact_gradient(at::zeros({kSamples}, at::kDouble).index_fill(0, at::tensor({i}), 1)));
  const at::Tensor by_sample = at::stack(single);  // [N, P]
  auto generator = at::detail::createCPUGenerator(3);
  const at::Tensor signs = at::randint(2, {by_sample.size(1), kProjections}, generator, at::kDouble) * 2 - 1;
  const at::Tensor projected = by_sample.matmul(signs);  // [N, K]

  UpperBoundSampling method({}, sampling::DrawMethod::bernoulli, run_.task.model().layout(), 5);
  at::Tensor mean = at::zeros({kProjections}, at::kDouble);
  for (int64_t number = 0; number < kDraws; ++number) {
    auto batch = forward(number);
    mean += flat(method.backward(batch, 1).gradients).matmul(signs) / kDraws;
  }

  // Bernstein, each draw a sum of independent terms; false alarm 1e-7 a projection.
  const double log_term = std::log(2 / 1e-7);
  const auto variance = ((1 - p) / p * projected.square()).sum(0) / kDraws;
  const auto largest = (projected.abs() * at::maximum(1 / p - 1, at::ones_like(p))).amax(0) / kDraws;
  const auto tolerance = (2 * variance * log_term).sqrt() + 2 * largest * log_term / 3;
  const auto exact = projected.sum(0);
  EXPECT_TRUE(((mean - exact).abs() <= tolerance + 1e-5 * exact.abs()).all().item<bool>());
  // Without 1/p the mean would be this, and the test would see it.
  const auto unscaled = (projected * p).sum(0);
  EXPECT_TRUE(((unscaled - exact).abs() > tolerance).any().item<bool>());
}

}  // namespace baselines_test
}  // namespace vcas::training
