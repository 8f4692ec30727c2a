#include "vcas/ops/linear.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "support/wave.h"
#include "vcas/sampling/plan.h"

namespace vcas::ops {
namespace linear_test {

constexpr int64_t kRows = 37, kInputs = 70, kOutputs = 45;

at::Tensor values(at::IntArrayRef shape, double phase, at::ScalarType dtype = at::kFloat) {
  return test::wave(shape, phase, dtype).set_requires_grad(true);
}

struct Outcome {
  at::Tensor output, input, weight, bias, row_scores, flops;
};

/// A plan under which `kept` of the rows enter the weight's gradient.
at::Tensor plan_of(int64_t kept) {
  sampling::BlockPlan plan;
  plan.sampled = kept < kRows;
  plan.sample_count = kRows;
  plan.row_counts = {kept};
  auto tensor = sampling::make_plan_tensor(1);
  sampling::write_plan(plan, tensor);
  return tensor;
}

/// Forward and backward with `kept` of the rows in the weight's gradient.
Outcome run(int64_t kept, Implementation implementation, Precision precision = Precision::float32) {
  const auto x = values({kRows, kInputs}, 0.1), weight = values({kOutputs, kInputs}, 0.2),
             bias = values({kOutputs}, 0.3);
  const LinearStatistics statistics{at::zeros({kRows}, at::kDouble).set_requires_grad(true),
                                    at::zeros({1}, at::kDouble).set_requires_grad(true)};
  const auto output = linear(x, weight, bias, plan_of(kept), 0, statistics, implementation, precision);
  const auto loss = (output * values({kRows, kOutputs}, 0.9).detach()).sum();
  auto gradients = torch::autograd::grad({loss}, {x, weight, bias, statistics.row_scores, statistics.flops});
  return {output, gradients[0], gradients[1], gradients[2], gradients[3], gradients[4]};
}

void expect_close(const at::Tensor& got, const at::Tensor& want, const char* name) {
  EXPECT_EQ(got.sizes(), want.sizes()) << name;
  // Sums of at most 70 products of values below 1, rounded at 2^-24 each.
  EXPECT_LT((got - want).norm().item<double>(), 1e-5 * want.norm().item<double>()) << name;
}

TEST(Linear, KernelsAgreeWithThePlainImplementationExactAndSampled) {
  for (const auto precision : {Precision::float32, Precision::bfloat16}) {
    for (const int64_t kept : {kRows, int64_t{11}}) {
      const auto want = run(kept, Implementation::plain, precision),
                 got = run(kept, Implementation::automatic, precision);
      expect_close(got.output, want.output, "output");
      expect_close(got.input, want.input, "input");
      expect_close(got.weight, want.weight, "weight");
      expect_close(got.bias, want.bias, "bias");
      expect_close(got.row_scores, want.row_scores, "row scores");
      EXPECT_EQ(got.flops.item<double>(), want.flops.item<double>());
      EXPECT_EQ(got.flops.item<double>(), 2.0 * kInputs * kOutputs * static_cast<double>(kRows + kept));
    }
  }
}

TEST(Linear, ReadsRoundedNumbersInBFloat16AndNothingElse) {
  const auto exact = run(kRows, Implementation::automatic),
             rounded = run(kRows, Implementation::automatic, Precision::bfloat16);
  // Each of two factors is rounded to 8 bits: an error of at most 2^-8 of the sum of absolute products.
  const auto error =
      (rounded.output - exact.output).norm().item<double>() / exact.output.norm().item<double>();
  EXPECT_GT(error, 1e-4);
  EXPECT_LT(error, 1.0 / 128);
  EXPECT_TRUE(at::equal(rounded.bias, exact.bias));
  EXPECT_TRUE(at::equal(rounded.row_scores, exact.row_scores));
}

TEST(Linear, TakesNoBiasAndGradientsThatNobodyWants) {
  const auto x = values({kRows, kInputs}, 0.1).detach(), weight = values({kOutputs, kInputs}, 0.2);
  const auto plain = linear(x, weight, {}, {}, 0, {}, Implementation::plain),
             fast = linear(x, weight, {}, {}, 0);
  expect_close(fast, plain, "output");
  expect_close(torch::autograd::grad({fast.square().sum()}, {weight}).front(),
               torch::autograd::grad({plain.square().sum()}, {weight}).front(), "weight");
}

TEST(Linear, SamplesTheSameRowsWithoutBiasAndStatistics) {
  const auto want = run(11, Implementation::automatic);
  const auto x = values({kRows, kInputs}, 0.1).detach(), weight = values({kOutputs, kInputs}, 0.2);
  const auto output = linear(x, weight, {}, plan_of(11), 0);
  const auto loss = (output * values({kRows, kOutputs}, 0.9).detach()).sum();
  EXPECT_TRUE(at::equal(torch::autograd::grad({loss}, {weight}).front(), want.weight));
}

TEST(Linear, TakesRowsThatLieApartAndNoRowsAtAll) {
  const auto weight = values({kOutputs, kInputs}, 0.2);
  const auto apart = values({kRows, 2 * kInputs}, 0.1).narrow(1, 3, kInputs);
  expect_close(linear(apart, weight, {}, {}, 0), linear(apart.contiguous(), weight, {}, {}, 0), "output");
  EXPECT_EQ(linear(at::zeros({0, kInputs}), weight, {}, {}, 0).sizes(), at::IntArrayRef({0, kOutputs}));
}

TEST(Linear, RefusesABiasOfAnotherSize) {
  const auto x = values({kRows, kInputs}, 0.1), weight = values({kOutputs, kInputs}, 0.2);
  for (const int64_t size : {int64_t{1}, kOutputs - 1}) {
    EXPECT_THROW(linear(x, weight, values({size}, 0.3), {}, 0), c10::Error);
  }
}

}  // namespace linear_test
}  // namespace vcas::ops
