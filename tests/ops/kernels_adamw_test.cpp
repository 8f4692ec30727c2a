#include "ops/kernels/adamw.h"

#include <cmath>

#include "kernels_support.h"

namespace vcas::ops::kernels {
namespace {

using testing::for_each_target;
using testing::kRoundOff;
using testing::normal;

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
        adamw_step(options, count, param.mutable_data_ptr<float>(), grad.const_data_ptr<float>(),
                   m.mutable_data_ptr<float>(), v.mutable_data_ptr<float>());
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
  adamw_step({.learning_rate = 0.5, .weight_decay = 0.5}, 3, param.mutable_data_ptr<float>(),
             grad.const_data_ptr<float>(), m.mutable_data_ptr<float>(), v.mutable_data_ptr<float>());
  EXPECT_TRUE(param.eq(1.5f).all().item<bool>());
}

TEST(AdamW, LetsNaNThrough) {
  at::Tensor param = at::ones({20}), m = at::zeros({20}), v = at::zeros({20}), grad = at::zeros({20});
  grad[17] = NAN;
  adamw_step({}, 20, param.mutable_data_ptr<float>(), grad.const_data_ptr<float>(),
             m.mutable_data_ptr<float>(), v.mutable_data_ptr<float>());
  EXPECT_TRUE(std::isnan(param[17].item<float>()));
  EXPECT_EQ(param.isnan().sum().item<int64_t>(), 1);
}

}  // namespace
}  // namespace vcas::ops::kernels
