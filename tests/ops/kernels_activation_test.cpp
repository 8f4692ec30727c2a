#include "ops/kernels/activation.h"

#include <cmath>

#include "kernels_elementwise_support.h"

namespace vcas::ops::kernels {
namespace kernels_activation_test {

using testing::close;
using testing::doubles;
using testing::floats;
using testing::for_each_target;
using testing::kRoundOff;
using testing::kShapes;
using testing::normal;
using testing::Shape;
using testing::sum_bound;
using testing::TestRows;
using testing::within;

constexpr Activation kActivations[] = {Activation::gelu, Activation::tanh_gelu, Activation::relu,
                                       Activation::silu};
const double kTanhScale = 2 * std::sqrt(2 / M_PI);

at::Tensor reference(const at::Tensor& x, Activation kind) {
  switch (kind) {
    case Activation::gelu:
      return x * 0.5 * at::special_erfc(-x * M_SQRT1_2);
    case Activation::tanh_gelu:
      return x * at::sigmoid(kTanhScale * (x + 0.044715 * x.pow(3)));
    case Activation::relu:
      return x.clamp_min(0);
    case Activation::silu:
      return x * at::sigmoid(x);
  }
  return {};
}

at::Tensor slope(const at::Tensor& x, Activation kind) {
  switch (kind) {
    case Activation::gelu:
      return 0.5 * at::special_erfc(-x * M_SQRT1_2) + x * (-0.5 * x.square()).exp() / std::sqrt(2 * M_PI);
    case Activation::tanh_gelu: {
      const at::Tensor s = at::sigmoid(kTanhScale * (x + 0.044715 * x.pow(3)));
      return s + x * s * (1 - s) * kTanhScale * (1 + 3 * 0.044715 * x.square());
    }
    case Activation::relu:
      return x.gt(0).to(x.scalar_type());
    case Activation::silu: {
      const at::Tensor s = at::sigmoid(x);
      return s + x * s * (1 - s);
    }
  }
  return {};
}

TEST(ActivationForward, IsAccurateInBothTails) {
  const at::Tensor x = at::linspace(-12, 12, 100003, at::kFloat);
  for (const Activation kind : kActivations) {
    const at::Tensor want = reference(x.to(at::kDouble), kind);
    for_each_target([&](int64_t target) {
      at::Tensor y = at::empty_like(x), norm = at::empty({1}, at::kDouble);
      Workspace workspace;
      activation_forward(kind, {x.const_data_ptr<float>(), x.numel()}, floats(y), doubles(norm), 1, x.numel(),
                         workspace);
      // Against the size of x everywhere; the erf form also relative to the value itself, down to float32's
      // denormals.
      EXPECT_TRUE(within(y, want, x.abs().to(at::kDouble) * 2e-7 + 1e-37));
      if (kind == Activation::gelu) {
        // The baseline has no fused multiply-add to win back what rounding u² loses: u²/2·u of the tail at u
        // = 12.
        const double tail = target == HWY_SCALAR ? 72 * kRoundOff : 0.0;
        EXPECT_TRUE(within(y, want, want.abs() * (1e-6 + tail) + 1e-37));
      }
      EXPECT_TRUE(close(norm, want.norm().reshape({1}), 8 * kRoundOff));
    });
  }
}

TEST(ActivationForward, PassesInfinityAndNaNOn) {
  at::Tensor x = at::tensor({INFINITY, NAN, 100.0f, -100.0f}), y = at::empty({4});
  Workspace workspace;
  for (const Activation kind : kActivations) {
    activation_forward(kind, {x.const_data_ptr<float>(), 4}, floats(y), nullptr, 1, 4, workspace);
    EXPECT_EQ(y[0].item<float>(), INFINITY);
    EXPECT_TRUE(std::isnan(y[1].item<float>()));
    // The reciprocal of AVX2 is one unit in the last place off at 1, that of AVX-512 is not.
    EXPECT_FLOAT_EQ(y[2].item<float>(), 100.0f);
    EXPECT_NEAR(y[3].item<float>(), 0.0f, 1e-35f);
  }
}

TEST(ActivationBackward, MultipliesBySlopeOfTheKeptRowsAndSums) {
  for (const Activation kind : kActivations) {
    for (const Shape& shape : kShapes) {
      const int64_t rows = shape.rows, columns = shape.columns;
      TestRows saved = TestRows::gathered(rows, columns, 1);
      saved.scale = at::Tensor();
      saved.data.mul_(3.0f);
      const at::Tensor before = normal({rows, columns}, 5);
      const at::Tensor want = before.to(at::kDouble) * slope(saved.dense(), kind);
      // The slope is within 3e-7 of the exact one, itself at most 1.13.
      const at::Tensor bound = before.to(at::kDouble).abs() * 4e-7;
      for_each_target([&](int64_t) {
        Workspace workspace;
        at::Tensor grad = before.clone(), sums = at::empty({columns}), norms = at::empty({rows}, at::kDouble);
        activation_backward({.kind = kind,
                             .input = saved.view(),
                             .grad = floats(grad),
                             .row_norms = doubles(norms),
                             .column_sums = floats(sums)},
                            rows, columns, workspace);
        EXPECT_TRUE(within(grad, want, bound));
        EXPECT_TRUE(within(sums, want.sum(0), sum_bound(want, 0) + bound.sum(0)));
        EXPECT_TRUE(within(norms, want.norm(2, 1), bound.norm(2, 1) + want.norm(2, 1) * kRoundOff));
      });
    }
  }
}

}  // namespace kernels_activation_test
}  // namespace vcas::ops::kernels
