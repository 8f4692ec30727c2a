#include "ops/kernels/adamw.h"

#include <cmath>
#include <vector>

#include "kernels_support.h"

namespace vcas::ops::kernels {
namespace kernels_adamw_test {

using testing::for_each_target;
using testing::kRoundOff;
using testing::normal;

void dense_step(const AdamWOptions& options, const at::Tensor& param, const at::Tensor& grad,
                const at::Tensor& exp_avg, const at::Tensor& exp_avg_sq) {
  const AdamWArrays arrays{AdamWFactors(options),
                           param.numel(),
                           param.mutable_data_ptr<float>(),
                           grad.const_data_ptr<float>(),
                           exp_avg.mutable_data_ptr<float>(),
                           exp_avg_sq.mutable_data_ptr<float>()};
  adamw_step({&arrays, 1});
}

/// Parameter and moments after `steps` updates in float64, by the formula of the paper.
struct Reference {
  at::Tensor param, exp_avg, exp_avg_sq;

  void step(const AdamWOptions& o, const at::Tensor& grad) {
    const at::Tensor g = grad.to(at::kDouble) * o.grad_scale;
    exp_avg = o.beta1 * exp_avg + (1 - o.beta1) * g;
    exp_avg_sq = o.beta2 * exp_avg_sq + (1 - o.beta2) * g * g;
    const double correction1 = 1 - std::pow(o.beta1, static_cast<double>(o.step));
    const double correction2 = 1 - std::pow(o.beta2, static_cast<double>(o.step));
    const at::Tensor direction = (exp_avg / correction1) / ((exp_avg_sq / correction2).sqrt() + o.epsilon);
    param = param * (1 - o.learning_rate * o.weight_decay) - o.learning_rate * direction;
  }
};

TEST(AdamW, FollowsTheFormulaOverSeveralSteps) {
  for (const int64_t count : {1, 15, 1000, 40001}) {
    for_each_target([&](int64_t) {
      at::Tensor param = normal({count}, 1), m = at::zeros({count}), v = at::zeros({count});
      Reference want{param.to(at::kDouble), m.to(at::kDouble), v.to(at::kDouble)};
      AdamWOptions options{.learning_rate = 1e-2, .weight_decay = 0.1, .grad_scale = 0.37};
      for (options.step = 1; options.step <= 5; ++options.step) {
        const at::Tensor grad = normal({count}, 10 + static_cast<uint64_t>(options.step));
        dense_step(options, param, grad, m, v);
        want.step(options, grad);
      }
      // Each step rounds the parameter twice and its own change, at most lr·√5, some ten times; m sums terms
      // of order one.
      EXPECT_TRUE(
          testing::within(param, want.param, want.param.abs() * (12 * kRoundOff) + 5e-2 * 16 * kRoundOff));
      EXPECT_TRUE(testing::close(m, want.exp_avg, 16 * kRoundOff));
      // 1 - β2 = 0.001 is rounded to float32 as torch.optim.AdamW's scalar is.
      EXPECT_TRUE(testing::close(v, want.exp_avg_sq, 16 * kRoundOff));
    });
  }
}

TEST(AdamW, DecaysWithoutAGradient) {
  at::Tensor param = at::full({3}, 2.0f), m = at::zeros({3}), v = at::zeros({3});
  const at::Tensor grad = at::zeros({3});
  dense_step({.learning_rate = 0.5, .weight_decay = 0.5}, param, grad, m, v);
  EXPECT_TRUE(param.eq(1.5f).all().item<bool>());
}

/// A parameter [rows, width] with moments.
struct Parameter {
  at::Tensor param, exp_avg, exp_avg_sq;

  Parameter(int64_t rows, int64_t width)
      : param(normal({rows, width}, 1)),
        exp_avg(normal({rows, width}, 2) * 1e-3),
        exp_avg_sq(normal({rows, width}, 3).square() * 1e-6) {
    // A row that never had a gradient, and a weight of zero in one that had.
    exp_avg[0].zero_();
    exp_avg_sq[0].zero_();
    param[1][0].zero_();
  }
  AdamWRows rows(std::span<const AdamWRow> listed) const {
    return {listed, param.size(1), param.mutable_data_ptr<float>(), exp_avg.mutable_data_ptr<float>(),
            exp_avg_sq.mutable_data_ptr<float>()};
  }
  bool has_bits_of(const Parameter& other) const {
    return at::equal(param, other.param) && at::equal(exp_avg, other.exp_avg) &&
           at::equal(exp_avg_sq, other.exp_avg_sq);
  }
};

// 900 steps are enough for every weight to stand still, and for the moments to go on.
TEST(AdamW, GivesSkippedStepsTheBitsOfStepsWithoutAGradient) {
  for (const double weight_decay : {0.0, 0.1}) {
    for_each_target([&](int64_t) {
      constexpr int64_t kRows = 11, kWidth = 37;
      const Parameter dense(kRows, kWidth), skipped(kRows, kWidth);
      std::vector<AdamWFactors> steps;
      const at::Tensor grad = at::zeros({kRows, kWidth});
      for (int64_t i = 0; i < 900; ++i) {
        const AdamWOptions options{
            .learning_rate = 1e-3 * static_cast<double>(i % 7), .weight_decay = weight_decay, .step = i + 1};
        steps.emplace_back(options);
        dense_step(options, dense.param, grad, dense.exp_avg, dense.exp_avg_sq);
      }
      std::vector<AdamWRow> some, all;
      for (int64_t row = 0; row < kRows; ++row) {
        const int64_t had = row % 2 == 0 ? 5 + row : 0;
        if (had > 0) some.push_back({row, 0});
        all.push_back({row, had});
      }
      for (const auto& row : some) {
        const AdamWRow alone[] = {row};
        adamw_skipped_steps(std::span(steps).first(static_cast<size_t>(5 + row.row)), skipped.rows(alone));
      }
      adamw_skipped_steps(steps, skipped.rows(all));
      EXPECT_TRUE(skipped.has_bits_of(dense)) << "weight decay " << weight_decay;
    });
  }
}

TEST(AdamW, GivesARowTheBitsOfADenseStep) {
  for_each_target([&](int64_t) {
    const Parameter dense(5, 37), sparse(5, 37);
    const at::Tensor grad = normal({2, 37}, 4);
    const at::Tensor dense_grad = at::zeros({5, 37});
    dense_grad[4].copy_(grad[0]);
    dense_grad[2].copy_(grad[1]);
    const AdamWOptions options{.learning_rate = 1e-2, .step = 3, .grad_scale = 0.3};
    const AdamWRow touched[] = {{4, 0}, {2, 0}}, others[] = {{0, 0}, {1, 0}, {3, 0}};
    const AdamWFactors factors(options);
    dense_step(options, dense.param, dense_grad, dense.exp_avg, dense.exp_avg_sq);
    adamw_row_step(factors, sparse.rows(touched), grad.const_data_ptr<float>());
    adamw_skipped_steps({&factors, 1}, sparse.rows(others));
    EXPECT_TRUE(sparse.has_bits_of(dense));
  });
}

TEST(AdamW, StepsEveryArrayByItsOwnFactors) {
  const at::Tensor params[] = {normal({3}, 1), normal({40000}, 2), normal({17}, 3)};
  const at::Tensor grads[] = {normal({3}, 4), normal({40000}, 5), normal({17}, 6)};
  std::vector<at::Tensor> together, moments;
  std::vector<AdamWArrays> arrays;
  for (size_t i = 0; i < 3; ++i) {
    const AdamWOptions options{.learning_rate = 1e-2, .weight_decay = 0.1 * static_cast<double>(i)};
    together.push_back(params[i].clone());
    for (int moment = 0; moment < 2; ++moment) moments.push_back(at::zeros_like(params[i]));
    arrays.push_back({AdamWFactors(options), params[i].numel(), together[i].mutable_data_ptr<float>(),
                      grads[i].const_data_ptr<float>(), moments[2 * i].mutable_data_ptr<float>(),
                      moments[2 * i + 1].mutable_data_ptr<float>()});
    dense_step(options, params[i], grads[i], at::zeros_like(params[i]), at::zeros_like(params[i]));
  }
  adamw_step(arrays);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(together[i], params[i])) << i;
}

TEST(AdamW, LetsNaNThrough) {
  at::Tensor param = at::ones({20}), m = at::zeros({20}), v = at::zeros({20}), grad = at::zeros({20});
  grad[17] = NAN;
  dense_step({}, param, grad, m, v);
  EXPECT_TRUE(std::isnan(param[17].item<float>()));
  EXPECT_EQ(param.isnan().sum().item<int64_t>(), 1);
}

}  // namespace kernels_adamw_test
}  // namespace vcas::ops::kernels
