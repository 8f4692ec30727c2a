// SampleW for a recurrent layer, as docs/method.md describes it: a GRU over a packed batch, whose input and
// recurrent weights' gradients are drawn over the rows (time, sample). At most 35 comparisons a tensor, two
// tensors a test, 12 variants of tests: with kLogFalseAlarm a false alarm has a probability below 1e-8.
#include <gtest/gtest.h>

#include "ops/unbiased_estimates.h"
#include "sampling/draw.h"
#include "sampling/variance.h"
#include "vcas/ops/linear.h"

namespace vcas::ops {
namespace recurrent_layer_test {

using namespace testing;  // NOLINT(google-build-using-namespace): the support headers of this test
using sampling::BlockPlan;
using sampling::DrawMethod;

constexpr int64_t kDraws = 4000;
constexpr int64_t kInputs = 3, kHidden = 4;
/// Samples of lengths 4, 3 and 2: how many live at each step. Rows go by time, then by sample.
const std::vector<int64_t> kAlive = {3, 3, 2, 1};
constexpr int64_t kRows = 9, kSamples = 3;
const std::vector<size_t> kSampleOfRow = {0, 1, 2, 0, 1, 2, 0, 1, 0};

struct Layer {
  at::Tensor x, input_weight, input_bias, recurrent_weight, recurrent_bias;
  at::Tensor output_gradient;  ///< [R, H]
  Implementation implementation = Implementation::plain;
};

/// The gradients at the outputs share a direction, so that contributions of different rows add up.
Layer make_layer(const Arithmetic& arithmetic, uint64_t seed = 5) {
  at::set_num_threads(1);
  auto generator = at::detail::createCPUGenerator(seed);
  const auto normal = [&](at::IntArrayRef sizes, double scale) {  // float32 numbers in either arithmetic
    return at::randn(sizes, generator, at::kFloat).mul_(scale).to(arithmetic.type);
  };
  Layer layer;
  layer.x = normal({kRows, kInputs}, 1);
  layer.input_weight = normal({3 * kHidden, kInputs}, 0.6).requires_grad_(true);
  layer.input_bias = normal({3 * kHidden}, 0.2).requires_grad_(true);
  layer.recurrent_weight = normal({3 * kHidden, kHidden}, 0.5).requires_grad_(true);
  layer.recurrent_bias = normal({3 * kHidden}, 0.2).requires_grad_(true);
  layer.output_gradient = normal({kRows, kHidden}, 0.4) + normal({1, kHidden}, 1);
  layer.implementation = arithmetic.implementation;
  return layer;
}

/// Hidden states [R, H] before and after each row's step. @param recurrent_gates of (hidden [n, H], first
/// row).
struct Unrolled {
  at::Tensor before, after;
};
template <typename RecurrentGates>
Unrolled unroll(const at::Tensor& input_gates, RecurrentGates&& recurrent_gates) {
  auto hidden = at::zeros({kSamples, kHidden}, input_gates.options());
  std::vector<at::Tensor> before, after;
  int64_t first = 0;
  for (const int64_t alive : kAlive) {
    hidden = hidden.narrow(0, 0, alive);
    before.push_back(hidden);
    const auto input = input_gates.narrow(0, first, alive).chunk(3, 1);
    const auto recurrent = recurrent_gates(hidden, first).chunk(3, 1);
    const auto reset = at::sigmoid(input[0] + recurrent[0]), update = at::sigmoid(input[1] + recurrent[1]);
    const auto candidate = at::tanh(input[2] + reset * recurrent[2]);
    hidden = candidate + update * (hidden - candidate);
    after.push_back(hidden);
    first += alive;
  }
  return {at::cat(before), at::cat(after)};
}

/// Parts dZ_rᵀ X_r of the exact gradients, from a copy of the weights a row: no operator of ours in it.
struct RowGradients {
  at::Tensor input, recurrent;  ///< [R, numel]
};
RowGradients exact_rows(const Layer& layer) {
  const auto input = layer.input_weight.detach().unsqueeze(0).repeat({kRows, 1, 1}).requires_grad_(true);
  const auto recurrent =
      layer.recurrent_weight.detach().unsqueeze(0).repeat({kRows, 1, 1}).requires_grad_(true);
  const auto input_gates = at::matmul(input, layer.x.unsqueeze(2)).squeeze(2) + layer.input_bias;
  const auto unrolled = unroll(input_gates, [&](const at::Tensor& hidden, int64_t first) {
    const auto weights = recurrent.narrow(0, first, hidden.size(0));
    return at::matmul(weights, hidden.unsqueeze(2)).squeeze(2) + layer.recurrent_bias;
  });
  const auto parts = torch::autograd::grad({unrolled.after}, {input, recurrent}, {layer.output_gradient});
  return {parts[0].reshape({kRows, -1}), parts[1].reshape({kRows, -1})};
}

/// How a weight that is used at every step is drawn.
enum class Uses {
  together,        ///< once, over the rows of all steps
  apart,           ///< at each step, each by its own stream
  with_one_stream  ///< at each step by the same random numbers, which is wrong
};
constexpr int64_t kInputCount = 5, kTogetherCount = 4;
const std::vector<int64_t> kApartCounts = {1, 2, 1, 1};  // the first finds hidden states of zero only

/// Forward once; the gradients of both weights under many draws.
class LayerPass {
 public:
  LayerPass(const Layer& layer, Uses uses) : layer_(layer), uses_(uses) {
    plans_.assign(kAlive.size(), at::Tensor());
    for (auto& plan : plans_) plan = sampling::make_plan_tensor(2);
    slots_ = at::zeros({kRows, 3 * kHidden}, layer.x.options()).requires_grad_(true);
    const auto input_gates =
        linear(layer.x, layer.input_weight, layer.input_bias, plans_[0], 0, {}, layer.implementation);
    size_t step = 0;
    unrolled_ = unroll(input_gates, [&](const at::Tensor& hidden, int64_t first) {
      if (uses_ == Uses::together) return gates_with_slot(hidden, first);
      return linear(hidden, layer_.recurrent_weight, layer_.recurrent_bias, plans_[step++], 1, {},
                    layer_.implementation);
    });
  }

  /// @param arriving a factor for each row of the output's gradient, or undefined.
  std::vector<at::Tensor> backward(uint32_t draw, DrawMethod method, const at::Tensor& arriving = {}) {
    write_plans(draw, method);
    auto gradient = layer_.output_gradient;
    if (arriving.defined()) gradient = gradient * arriving.unsqueeze(1).to(gradient.scalar_type());
    const auto& second = uses_ == Uses::together ? slots_ : layer_.recurrent_weight;
    auto result = torch::autograd::grad({unrolled_.after}, {layer_.input_weight, second}, {gradient},
                                        /*retain_graph=*/true);
    if (uses_ == Uses::together) result[1] = recurrent_weight_gradient(result[1]);
    return result;
  }

 private:
  /// The weight is a constant here; its gradient comes from what arrives at the slots, which is dZ.
  at::Tensor gates_with_slot(const at::Tensor& hidden, int64_t first) const {
    return linear(hidden, layer_.recurrent_weight.detach(), layer_.recurrent_bias, {}, 1, {},
                  layer_.implementation) +
           slots_.narrow(0, first, hidden.size(0));
  }
  at::Tensor recurrent_weight_gradient(const at::Tensor& gate_gradients) const {
    const auto gates = linear(unrolled_.before.detach(), layer_.recurrent_weight, {}, plans_[0], 1, {},
                              layer_.implementation);
    return torch::autograd::grad({gates}, {layer_.recurrent_weight}, {gate_gradients})[0];
  }
  void write_plans(uint32_t draw, DrawMethod method) {
    for (size_t step = 0; step < plans_.size(); ++step) {
      BlockPlan plan;
      plan.sampled = true;
      plan.draw_method = method;
      plan.sample_count = kSamples;
      const auto layer = static_cast<uint32_t>(uses_ == Uses::apart ? step : 0);
      plan.stream = {.seed = 7, .micro_batch = draw, .layer = layer};
      plan.row_counts = {kInputCount, uses_ == Uses::together ? kTogetherCount : kApartCounts[step]};
      sampling::write_plan(plan, plans_[step]);
    }
  }

  const Layer& layer_;
  Uses uses_;
  std::vector<at::Tensor> plans_;  ///< by step; the first is also that of what is drawn once
  at::Tensor slots_;
  Unrolled unrolled_;
};

/// Two independent draws, the entries of the second after those of the first.
Distribution both(const Distribution& a, const Distribution& b) {
  Distribution result;
  for (const auto& first : a) {
    for (const auto& second : b) {
      Outcome outcome{first.probability * second.probability, first.coefficients};
      outcome.coefficients.insert(outcome.coefficients.end(), second.coefficients.begin(),
                                  second.coefficients.end());
      result.push_back(std::move(outcome));
    }
  }
  return result;
}

/// The rows' scores step by step.
std::vector<std::vector<double>> by_step(const std::vector<double>& of_rows) {
  std::vector<std::vector<double>> steps;
  auto row = of_rows.begin();
  for (const int64_t alive : kAlive) {
    steps.emplace_back(row, row + alive);
    row += alive;
  }
  return steps;
}

Distribution apart_distribution(const std::vector<double>& of_rows, DrawMethod method) {
  Distribution result{{1.0, {}}};
  const auto steps = by_step(of_rows);
  for (size_t t = 0; t < steps.size(); ++t)
    result = both(result, distribution(steps[t], kApartCounts[t], method));
  return result;
}

std::vector<Estimated> estimates(const RowGradients& exact, Uses uses, const Arithmetic& arithmetic,
                                 DrawMethod method) {
  const auto recurrent = scores(exact.recurrent);
  const double rounding = arithmetic.rounding * (exact.input.norm() + exact.recurrent.norm()).item<double>();
  return {{"input weight", exact.input, distribution(scores(exact.input), kInputCount, method), rounding},
          {"recurrent weight", exact.recurrent,
           uses == Uses::together ? distribution(recurrent, kTogetherCount, method)
                                  : apart_distribution(recurrent, method),
           rounding}};
}

class UnbiasedRecurrentLayer : public Unbiased {
 protected:
  Layer layer_ = make_layer(arithmetic());
  RowGradients exact_ = exact_rows(make_layer(kPlainDouble));

  void expect_unbiased(Uses uses) const {
    const auto expected = estimates(exact_, uses, arithmetic(), method());
    expect_inclusion_at_least(expected, 0.05);
    LayerPass pass(layer_, uses);
    const auto draw = [&](uint32_t d) { return pass.backward(d, method()); };
    EXPECT_EQ(disagreements(expected, kDraws, draw), std::vector<std::string>{});
  }
};
INSTANTIATE_TEST_SUITE_P(All, UnbiasedRecurrentLayer, all_variants(), variant_name);

TEST_P(UnbiasedRecurrentLayer, BothWeightsDrawnOnceOverTheRowsOfAllSteps) { expect_unbiased(Uses::together); }

TEST_P(UnbiasedRecurrentLayer, RecurrentWeightDrawnAtEachOfItsUses) { expect_unbiased(Uses::apart); }

/// SampleA drops all steps of a sample; SampleW draws among the rows of those that are left.
TEST_P(UnbiasedRecurrentLayer, BothWeightsAmongTheSamplesThatTheLayerKept) {
  auto expected = estimates(exact_, Uses::together, arithmetic(), method());
  const auto of_row = at::tensor(std::vector<int64_t>(kSampleOfRow.begin(), kSampleOfRow.end()), at::kLong);
  const auto row_squares = make_layer(kPlainDouble).output_gradient.square().sum(1);
  const auto norms_tensor = at::zeros({kSamples}, at::kDouble).index_add(0, of_row, row_squares).sqrt();
  const std::vector<double> norms(norms_tensor.const_data_ptr<double>(),
                                  norms_tensor.const_data_ptr<double>() + kSamples);
  const auto samples = distribution(norms, 2, method());
  expected[0].outcomes = then_draw(samples, scores(exact_.input), kSampleOfRow, kInputCount, method());
  expected[1].outcomes = then_draw(samples, scores(exact_.recurrent), kSampleOfRow, kTogetherCount, method());
  expect_inclusion_at_least(expected, 0.05);

  LayerPass pass(layer_, Uses::together);
  const auto draw = [&](uint32_t d) {
    const auto kept = sampling::draw(norms_tensor, 2, method(), {.seed = 7, .micro_batch = d, .layer = 0});
    auto of_samples = at::zeros({kSamples}, at::kDouble);
    for (int64_t j = 0; j < kept.indices.numel(); ++j)
      if (const auto i = kept.indices[j].item<int64_t>(); i >= 0) of_samples[i] = kept.scales[j];
    return pass.backward(d, method(), of_samples.index_select(0, of_row));
  };
  EXPECT_EQ(disagreements(expected, kDraws, draw), std::vector<std::string>{});
}

/// The premise of the tests above: the exact gradient is that of PyTorch's own GRU.
TEST(RecurrentLayer, RowsAddUpToTheGradientOfTorchGru) {
  const auto layer = make_layer(kPlainDouble);
  const std::vector<at::Tensor> parameters = {layer.input_weight, layer.recurrent_weight, layer.input_bias,
                                              layer.recurrent_bias};
  const auto output = std::get<0>(at::gru(layer.x, at::tensor(kAlive, at::kLong),
                                          at::zeros({1, kSamples, kHidden}, at::kDouble), parameters,
                                          /*has_biases=*/true, /*num_layers=*/1, /*dropout=*/0.0,
                                          /*train=*/true, /*bidirectional=*/false));
  const auto want =
      torch::autograd::grad({output}, {layer.input_weight, layer.recurrent_weight}, {layer.output_gradient});
  const auto exact = exact_rows(layer);
  // A few hundred roundings of 2^-53.
  EXPECT_LT((exact.input.sum(0) - want[0].reshape(-1)).norm().item<double>(), 1e-13);
  EXPECT_LT((exact.recurrent.sum(0) - want[1].reshape(-1)).norm().item<double>(), 1e-13);
}

double bernoulli_variance(const std::vector<double>& of_rows, int64_t count) {
  return sampling::bernoulli_variance(at::tensor(of_rows, at::kDouble),
                                      at::tensor(inclusion(of_rows, count), at::kDouble))
      .item<double>();
}

/// What the tests above compare the measured variance with is Σ (1-q)/q ŵ², over all rows or step by step;
/// and one draw over all rows has the least of all splits of its count over the steps.
TEST(RecurrentLayer, VarianceIsTheFormulasAndLessWhenAllStepsAreDrawnTogether) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const auto exact = exact_rows(make_layer(kPlainDouble, seed));
    const auto recurrent = scores(exact.recurrent);
    const double together = bernoulli_variance(recurrent, kTogetherCount);
    double apart = 0;
    const auto steps = by_step(recurrent);
    for (size_t t = 0; t < steps.size(); ++t) apart += bernoulli_variance(steps[t], kApartCounts[t]);
    const auto law = [&](Uses uses) {
      return error_law(estimates(exact, uses, kPlainDouble, DrawMethod::bernoulli)[1]).variance;
    };
    EXPECT_NEAR(law(Uses::together), together, 1e-9 * together);
    EXPECT_NEAR(law(Uses::apart), apart, 1e-9 * apart);
    EXPECT_LT(together, apart) << seed;
  }
}

/// What own streams are for: with shared random numbers the mean is right and the variance is not. In this
/// layer the contributions of a sample at neighbouring steps agree, so that keeping them together adds a
/// fifth.
TEST(RecurrentLayer, OneStreamForAllUsesIsNoticed) {
  const auto layer = make_layer(kPlainDouble, 7);
  const auto expected =
      estimates(exact_rows(layer), Uses::with_one_stream, kPlainDouble, DrawMethod::bernoulli);
  LayerPass pass(layer, Uses::with_one_stream);
  const auto draw = [&](uint32_t d) { return pass.backward(d, DrawMethod::bernoulli); };
  const auto failures = disagreements(expected, kDraws, draw);
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_TRUE(failures[0].starts_with("recurrent weight: distance of the mean squared error")) << failures[0];
}

}  // namespace recurrent_layer_test
}  // namespace vcas::ops
