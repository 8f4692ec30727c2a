#include "ops/kernels/layer_norm.h"

#include <utility>

#include "kernels_elementwise_support.h"

namespace vcas::ops::kernels {
namespace kernels_layer_norm_test {

using testing::close;
using testing::doubles;
using testing::floats;
using testing::for_each_target;
using testing::kRoundOff;
using testing::kShapes;
using testing::kStream;
using testing::mask_matrix;
using testing::normal;
using testing::Shape;
using testing::some_rows;
using testing::sum_bound;
using testing::TestRows;
using testing::within;

struct NormCase {
  TestRows input, residual;
  at::Tensor mask_rows, gamma, beta;
  DropoutMask mask;

  NormCase(int64_t rows, int64_t columns, double p)
      : input(TestRows::plain(rows, columns, 1)),
        residual(TestRows::gathered(rows, columns, 2)),
        mask_rows(some_rows(rows, 2 * rows, 3)),
        gamma(normal({columns}, 6)),
        beta(normal({columns}, 7)),
        mask(kStream, p) {}

  at::Tensor sum() const {
    return residual.dense() + input.dense() * mask_matrix(mask, mask_rows, input.data.size(1));
  }
};

constexpr double kEpsilon = 1e-3;

/// Both results of the reference: h - mean over the standard deviation, and 1/standard deviation.
std::pair<at::Tensor, at::Tensor> normalised(const at::Tensor& h) {
  const at::Tensor centred = h - h.mean(1, true);
  const at::Tensor rstd = (centred.square().mean(1, true) + kEpsilon).rsqrt();
  return {centred * rstd, rstd};
}

TEST(LayerNormForward, NormalisesTheResidualSum) {
  for (const double p : {0.0, 0.1}) {
    for (const Shape& shape : kShapes) {
      const int64_t rows = shape.rows, columns = shape.columns;
      const NormCase c(rows, columns, p);
      const at::Tensor h = c.sum();
      const at::Tensor normal_h = normalised(h).first, rstd_h = normalised(h).second;
      const at::Tensor want = normal_h * c.gamma.to(at::kDouble) + c.beta.to(at::kDouble);
      for_each_target([&](int64_t) {
        Workspace workspace;
        at::Tensor sum = at::empty({rows, columns}), y = at::empty({rows, columns}), mean = at::empty({rows}),
                   rstd = at::empty({rows}), norms = at::empty({rows}, at::kDouble);
        layer_norm_forward({.input = c.input.view(),
                            .residual = c.residual.view(),
                            .dropout = c.mask,
                            .mask_rows = c.mask_rows.const_data_ptr<int64_t>(),
                            .gamma = c.gamma.const_data_ptr<float>(),
                            .beta = c.beta.const_data_ptr<float>(),
                            .epsilon = static_cast<float>(kEpsilon),
                            .sum = floats(sum),
                            .output = floats(y),
                            .mean = floats(mean),
                            .rstd = floats(rstd),
                            .output_norms = doubles(norms)},
                           rows, columns, workspace);
        // Sums of at most 384 terms of order one in at least 4 lanes: errors of some tens of round-offs of
        // the largest.
        EXPECT_TRUE(close(sum, h, 4 * kRoundOff));
        EXPECT_TRUE(close(mean, h.mean(1), 64 * kRoundOff));
        EXPECT_TRUE(close(rstd, rstd_h.squeeze(1), 64 * kRoundOff));
        EXPECT_TRUE(close(y, want, 64 * kRoundOff));
        EXPECT_TRUE(close(norms, want.norm(2, 1), 64 * kRoundOff));
      });
    }
  }
}

TEST(LayerNormForward, NeedsNeitherResidualNorSavedSum) {
  const at::Tensor x = normal({40, 50}, 1), gamma = normal({50}, 2), beta = normal({50}, 3);
  at::Tensor y = at::empty({40, 50});
  Workspace workspace;
  layer_norm_forward({.input = {x.const_data_ptr<float>(), 50},
                      .gamma = gamma.const_data_ptr<float>(),
                      .beta = beta.const_data_ptr<float>(),
                      .epsilon = static_cast<float>(kEpsilon),
                      .output = floats(y)},
                     40, 50, workspace);
  const at::Tensor normal_x = normalised(x.to(at::kDouble)).first;
  EXPECT_TRUE(close(y, normal_x * gamma.to(at::kDouble) + beta.to(at::kDouble), 64 * kRoundOff));
}

TEST(LayerNormBackward, MatchesTheDerivativeOfTheReferenceOnCompactRows) {
  for (const Shape& shape : kShapes) {
    const int64_t rows = shape.rows, columns = shape.columns;
    // The saved rows are those of a larger batch; the view's index picks the kept ones. No factor there.
    TestRows saved = TestRows::gathered(rows, columns, 1);
    saved.scale = at::Tensor();
    const TestRows grad = TestRows::gathered(rows, columns, 4);
    const at::Tensor gamma = normal({columns}, 8), add = normal({rows, columns}, 9);
    const auto [all_normal, all_rstd] = normalised(saved.data.to(at::kDouble));
    const at::Tensor mean = saved.data.to(at::kDouble).mean(1).to(at::kFloat),
                     rstd = all_rstd.squeeze(1).to(at::kFloat);
    const at::Tensor xhat = all_normal.index_select(0, saved.index),
                     r = all_rstd.index_select(0, saved.index);
    const at::Tensor dy = grad.dense(), g = dy * gamma.to(at::kDouble);
    const at::Tensor inner = g - g.mean(1, true) - xhat * (g * xhat).mean(1, true);
    const at::Tensor want = add.to(at::kDouble) + r * inner;
    for_each_target([&](int64_t) {
      Workspace workspace;
      at::Tensor dh = at::empty({rows, columns}), dgamma = at::empty({columns}), dbeta = at::empty({columns}),
                 norms = at::empty({rows}, at::kDouble);
      layer_norm_backward({.grad_output = grad.view(),
                           .sum = saved.view(),
                           .mean = mean.const_data_ptr<float>(),
                           .rstd = rstd.const_data_ptr<float>(),
                           .gamma = gamma.const_data_ptr<float>(),
                           .add = add.const_data_ptr<float>(),
                           .grad_input = floats(dh),
                           .grad_gamma = floats(dgamma),
                           .grad_beta = floats(dbeta),
                           .row_norms = doubles(norms)},
                          rows, columns, workspace);
      // A row of one column has deviation zero and rstd about 32, which multiplies the round-off of the mean.
      const double tolerance = 64 * kRoundOff * r.max().item<double>();
      EXPECT_TRUE(close(dh, want, tolerance));
      EXPECT_TRUE(close(norms, want.norm(2, 1), tolerance));
      const at::Tensor gamma_terms = dy * xhat;
      EXPECT_TRUE(
          within(dgamma, gamma_terms.sum(0), sum_bound(gamma_terms, 0) + dy.abs().sum(0) * (tolerance)));
      EXPECT_TRUE(within(dbeta, dy.sum(0), sum_bound(dy, 0)));
    });
  }
}

}  // namespace kernels_layer_norm_test
}  // namespace vcas::ops::kernels
