#include <ATen/Parallel.h>

#include <array>
#include <cmath>

#include "kernels_support.h"
#include "ops/kernels/dropout.h"
#include "ops/kernels/gelu.h"
#include "ops/kernels/layer_norm.h"
#include "ops/kernels/reductions.h"
#include "vcas/sampling/philox.h"

namespace vcas::ops::kernels {
namespace {

using testing::close;
using testing::for_each_target;
using testing::kRoundOff;
using testing::normal;
using testing::same_bits;
using testing::TestRows;
using testing::within;

const sampling::StreamKey kStream{.seed = 0x123456789abcdefull,
                                  .micro_batch = 17,
                                  .layer = 3,
                                  .rank = 1,
                                  .draw = 0,
                                  .site = sampling::Site::feed_forward_dropout};

struct Shape {
  int64_t rows, columns;
};
constexpr std::array kShapes{Shape{1, 1},   Shape{7, 5},    Shape{63, 64},
                             Shape{64, 65}, Shape{65, 384}, Shape{577, 100}};

double* doubles(at::Tensor& tensor) { return tensor.mutable_data_ptr<double>(); }
float* floats(at::Tensor& tensor) { return tensor.mutable_data_ptr<float>(); }

/// A sum of n float32 terms in any order is off by at most n·u·Σ|terms|.
at::Tensor sum_bound(const at::Tensor& terms, int64_t dim) {
  return terms.abs().sum(dim) * (static_cast<double>(terms.size(dim) + 8) * kRoundOff);
}

// ----------------------------------------------------------------------------------------------------
// dropout

TEST(DropoutFactors, AreThoseOfScalarPhiloxBitForBit) {
  const DropoutMask mask(kStream, 0.3);
  EXPECT_EQ(mask.threshold, 1288490189u);  // round(0.3 · 2³²)
  const auto high = kStream.philox_counter_high();
  for_each_target([&](int64_t) {
    for (const int64_t count : {1, 3, 4, 18, 64, 65, 384, 1000}) {
      for (const uint32_t first : {0u, 8u, (5u << 18) + 4u}) {
        std::vector<float> factors(static_cast<size_t>(count) + 1, -1.0f);
        dropout_factors(mask, 4000000000u, first, count, factors.data());
        for (int64_t c = 0; c < count; ++c) {
          const uint32_t column = first + static_cast<uint32_t>(c);
          const auto words =
              sampling::philox4x32_10({column / 4, 4000000000u, high[0], high[1]}, kStream.philox_key());
          const float want = words[column % 4] >= mask.threshold ? static_cast<float>(1.0 / 0.7) : 0.0f;
          ASSERT_EQ(factors[static_cast<size_t>(c)], want) << "column " << column << " of " << count;
        }
        ASSERT_EQ(factors.back(), -1.0f) << "written beyond the end";
      }
    }
  });
}

TEST(DropoutFactors, AreOneWithoutDropout) {
  std::vector<float> factors(9);
  dropout_factors(DropoutMask(kStream, 0.0), 1, 0, 9, factors.data());
  for (const float factor : factors) EXPECT_EQ(factor, 1.0f);
}

TEST(DropoutMask, RefusesProbabilitiesOutsideTheUnitInterval) {
  for (const double p : {-0.1, 1.0, static_cast<double>(NAN)})
    EXPECT_THROW(DropoutMask(kStream, p), c10::Error);
}

/// [rows x columns] float64 factors of the given rows of the mask.
at::Tensor mask_matrix(const DropoutMask& mask, const at::Tensor& mask_rows, int64_t columns) {
  at::Tensor factors = at::empty({mask_rows.numel(), columns});
  for (int64_t r = 0; r < mask_rows.numel(); ++r) {
    dropout_factors(mask, static_cast<uint32_t>(mask_rows[r].item<int64_t>()), 0, columns,
                    floats(factors) + r * columns);
  }
  return factors.to(at::kDouble);
}

TEST(DropoutBackward, MasksOriginalRowsAndSums) {
  for (const double p : {0.0, 0.1}) {
    for (const Shape& shape : kShapes) {
      const int64_t rows = shape.rows, columns = shape.columns;
      const TestRows grad = TestRows::gathered(rows, columns, 1);
      const at::Tensor mask_rows = testing::some_rows(rows, 3 * rows, 5);
      const DropoutMask mask(kStream, p);
      const at::Tensor want = grad.dense() * mask_matrix(mask, mask_rows, columns);
      for_each_target([&](int64_t) {
        Workspace workspace;
        at::Tensor out = at::empty({rows, columns}), sums = at::empty({columns}),
                   norms = at::empty({rows}, at::kDouble);
        dropout_backward({.grad_output = grad.view(),
                          .mask = mask,
                          .mask_rows = mask_rows.const_data_ptr<int64_t>(),
                          .grad_input = floats(out),
                          .row_norms = doubles(norms),
                          .column_sums = floats(sums)},
                         rows, columns, workspace);
        EXPECT_TRUE(within(out, want, want.abs() * (3 * kRoundOff)));  // two products
        EXPECT_TRUE(within(sums, want.sum(0), sum_bound(want, 0)));
        EXPECT_TRUE(close(norms, want.norm(2, 1), 4 * kRoundOff));
      });
    }
  }
}

TEST(DropoutForward, WorksInPlaceWithRowNumbersAsDefault) {
  const at::Tensor x = normal({30, 70}, 1);
  const DropoutMask mask(kStream, 0.5);
  at::Tensor out = x.clone();
  Workspace workspace;
  dropout_forward({.input = {out.const_data_ptr<float>(), 70}, .mask = mask, .output = floats(out)}, 30, 70,
                  workspace);
  EXPECT_TRUE(
      at::equal(out.to(at::kDouble), x.to(at::kDouble) * mask_matrix(mask, at::arange(30, at::kLong), 70)));
}

// ------------------------------------------------------------------------------------------------- layer
// norm

struct NormCase {
  TestRows input, residual;
  at::Tensor mask_rows, gamma, beta;
  DropoutMask mask;

  NormCase(int64_t rows, int64_t columns, double p)
      : input(TestRows::plain(rows, columns, 1)),
        residual(TestRows::gathered(rows, columns, 2)),
        mask_rows(testing::some_rows(rows, 2 * rows, 3)),
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

// -------------------------------------------------------------------------------------------------------
// GELU

at::Tensor gelu_reference(const at::Tensor& x, GeluKind kind) {
  if (kind == GeluKind::erf) return x * 0.5 * at::special_erfc(-x * M_SQRT1_2);
  return x * at::sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x.pow(3)));
}

at::Tensor gelu_slope(const at::Tensor& x, GeluKind kind) {
  if (kind == GeluKind::erf) {
    return 0.5 * at::special_erfc(-x * M_SQRT1_2) + x * (-0.5 * x.square()).exp() / std::sqrt(2 * M_PI);
  }
  const double scale = 2 * std::sqrt(2 / M_PI);
  const at::Tensor s = at::sigmoid(scale * (x + 0.044715 * x.pow(3)));
  return s + x * s * (1 - s) * scale * (1 + 3 * 0.044715 * x.square());
}

TEST(GeluForward, IsAccurateInBothTails) {
  const at::Tensor x = at::linspace(-12, 12, 100003, at::kFloat);
  for (const GeluKind kind : {GeluKind::erf, GeluKind::tanh}) {
    const at::Tensor want = gelu_reference(x.to(at::kDouble), kind);
    for_each_target([&](int64_t target) {
      at::Tensor y = at::empty_like(x), norm = at::empty({1}, at::kDouble);
      Workspace workspace;
      gelu_forward(kind, {x.const_data_ptr<float>(), x.numel()}, floats(y), doubles(norm), 1, x.numel(),
                   workspace);
      // Against the size of x everywhere; the erf form also relative to the value itself, down to float32's
      // denormals.
      EXPECT_TRUE(within(y, want, x.abs().to(at::kDouble) * 2e-7 + 1e-37));
      if (kind == GeluKind::erf) {
        // The baseline has no fused multiply-add to win back what rounding u² loses: u²/2·u of the tail at u
        // = 12.
        const double tail = target == HWY_SCALAR ? 72 * kRoundOff : 0.0;
        EXPECT_TRUE(within(y, want, want.abs() * (1e-6 + tail) + 1e-37));
      }
      EXPECT_TRUE(close(norm, want.norm().reshape({1}), 8 * kRoundOff));
    });
  }
}

TEST(GeluForward, PassesInfinityAndNaNOn) {
  at::Tensor x = at::tensor({INFINITY, NAN, 100.0f, -100.0f}), y = at::empty({4});
  Workspace workspace;
  for (const GeluKind kind : {GeluKind::erf, GeluKind::tanh}) {
    gelu_forward(kind, {x.const_data_ptr<float>(), 4}, floats(y), nullptr, 1, 4, workspace);
    EXPECT_EQ(y[0].item<float>(), INFINITY);
    EXPECT_TRUE(std::isnan(y[1].item<float>()));
    EXPECT_EQ(y[2].item<float>(), 100.0f);
    EXPECT_NEAR(y[3].item<float>(), 0.0f, 1e-35f);
  }
}

TEST(GeluBackward, MultipliesBySlopeOfTheKeptRowsAndSums) {
  for (const GeluKind kind : {GeluKind::erf, GeluKind::tanh}) {
    for (const Shape& shape : kShapes) {
      const int64_t rows = shape.rows, columns = shape.columns;
      TestRows saved = TestRows::gathered(rows, columns, 1);
      saved.scale = at::Tensor();
      saved.data.mul_(3.0f);
      const at::Tensor before = normal({rows, columns}, 5);
      const at::Tensor want = before.to(at::kDouble) * gelu_slope(saved.dense(), kind);
      // The slope is within 3e-7 of the exact one, itself at most 1.13.
      const at::Tensor bound = before.to(at::kDouble).abs() * 4e-7;
      for_each_target([&](int64_t) {
        Workspace workspace;
        at::Tensor grad = before.clone(), sums = at::empty({columns}), norms = at::empty({rows}, at::kDouble);
        gelu_backward({.kind = kind,
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

// -------------------------------------------------------------------------------------------------
// reductions

TEST(ReduceRows, GivesNormsAndColumnSums) {
  for (const Shape& shape : kShapes) {
    const int64_t rows = shape.rows, columns = shape.columns;
    const TestRows x = TestRows::gathered(rows, columns, 1);
    const at::Tensor want = x.dense();
    for_each_target([&](int64_t) {
      Workspace workspace;
      at::Tensor norms = at::empty({rows}, at::kDouble), sums = at::empty({columns});
      reduce_rows(x.view(), rows, columns, doubles(norms), floats(sums), workspace);
      EXPECT_TRUE(close(norms, want.norm(2, 1), 2 * kRoundOff));
      EXPECT_TRUE(within(sums, want.sum(0), sum_bound(want, 0)));
    });
  }
}

TEST(ReduceRows, HugeAndTinyRowsNeitherOverflowNorVanish) {
  at::Tensor x = at::full({3, 40}, 1e30f), norms = at::empty({3}, at::kDouble);
  x[1].fill_(1e-40f);
  x[2].fill_(3e38f);
  Workspace workspace;
  for_each_target([&](int64_t) {
    reduce_rows({x.const_data_ptr<float>(), 40}, 3, 40, doubles(norms), nullptr, workspace);
    const at::Tensor want = x.to(at::kDouble).norm(2, 1);
    EXPECT_TRUE(within(norms, want, want * 1e-12));
  });
}

TEST(SumOfSquares, IsExactToFloat64) {
  for (const int64_t count : {1, 15, 16384, 16385, 100001}) {
    const at::Tensor x = normal({count}, 1);
    Workspace workspace;
    const double want = x.to(at::kDouble).square().sum().item<double>();
    EXPECT_NEAR(sum_of_squares(x.const_data_ptr<float>(), count, workspace), want, 1e-12 * want);
  }
  Workspace workspace;
  EXPECT_EQ(sum_of_squares(nullptr, 0, workspace), 0.0);
}

TEST(ColumnSums, HaveTheSameBitsWithAnyNumberOfThreads) {
  const TestRows x = TestRows::gathered(577, 100, 1);
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> sums;
  for (const int count : {threads, threads, 1}) {
    at::set_num_threads(count);
    Workspace workspace;
    sums.push_back(at::empty({100}));
    reduce_rows(x.view(), 577, 100, nullptr, floats(sums.back()), workspace);
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(same_bits(sums[0], sums[1]));
  EXPECT_TRUE(same_bits(sums[0], sums[2]));
}

}  // namespace
}  // namespace vcas::ops::kernels
