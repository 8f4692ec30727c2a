#include "ops/kernels/gemm.h"

#include <ATen/Parallel.h>

#include <array>
#include <numeric>
#include <tuple>
#include <vector>

#include "kernels_support.h"

namespace vcas::ops::kernels {
namespace kernels_gemm_test {

using testing::kRoundOff;
using testing::normal;
using testing::same_bits;
using testing::TestRows;
using testing::within;

enum class Rows { plain, gathered };

TestRows make_rows(Rows kind, int64_t rows, int64_t columns, uint64_t seed) {
  return kind == Rows::plain ? TestRows::plain(rows, columns, seed) : TestRows::gathered(rows, columns, seed);
}

/// The bound that holds for every order of summation: |error| ≤ (depth + 3)·u·Σ|a||b|, u the unit round-off;
/// one rounding each for the row factors, the bias and the accumulation in place is counted in the 3.
at::Tensor rounding_bound(const at::Tensor& a, const at::Tensor& b, int64_t depth) {
  return at::mm(a.abs(), b.abs()) * (static_cast<double>(depth + 3) * kRoundOff * 1.01) + 1e-30;
}

struct Sizes {
  int64_t m, n, k;
};

constexpr std::array kSizes{Sizes{1, 1, 1},      Sizes{7, 13, 5},     Sizes{63, 64, 65},   Sizes{64, 64, 64},
                            Sizes{65, 63, 64},   Sizes{128, 2, 384},  Sizes{577, 130, 96}, Sizes{3, 384, 16},
                            Sizes{70, 1100, 33}, Sizes{70, 65, 2100}, Sizes{100, 26, 300}};

/// What a product of that precision reads.
at::Tensor operand(const at::Tensor& values, Precision precision) {
  const at::Tensor float32 = values.to(at::kFloat);
  return (precision == Precision::bfloat16 ? float32.to(at::kBFloat16) : float32).to(at::kDouble);
}

class Matmul : public ::testing::TestWithParam<std::tuple<Sizes, Rows, GemmBackend, Precision>> {
 protected:
  void SetUp() override {
    std::tie(sizes_, rows_, options_.backend, options_.precision) = GetParam();
    if (options_.backend == GemmBackend::brgemm && !brgemm_available(options_.precision))
      GTEST_SKIP() << "no brgemm of this precision on this machine";
  }
  at::Tensor read(const at::Tensor& values) const { return operand(values, options_.precision); }

  Sizes sizes_{};
  Rows rows_{};
  GemmOptions options_;
  Workspace workspace_;
};

TEST_P(Matmul, ForwardIsTheProductWithTheTransposedWeightPlusBias) {
  const auto [m, n, k] = sizes_;
  const TestRows a = make_rows(rows_, m, k, 1);
  const at::Tensor w = normal({n, k}, 4), bias = normal({n}, 5);
  // A row stride above n: what lies between the rows must stay as it was.
  at::Tensor c = at::full({m, n + 3}, 7.0f);
  matmul_nt(a.view(), m, n, k, w.const_data_ptr<float>(), bias.const_data_ptr<float>(),
            c.mutable_data_ptr<float>(), n + 3, workspace_, options_);
  const at::Tensor x = read(a.dense()), wt = read(w).t(), b = bias.to(at::kDouble);
  const at::Tensor want = at::mm(x, wt) + b;
  EXPECT_TRUE(within(c.narrow(1, 0, n), want, rounding_bound(x, wt, k) + b.abs() * 3 * kRoundOff));
  EXPECT_TRUE(c.narrow(1, n, 3).eq(7.0f).all().item<bool>());
}

TEST_P(Matmul, InputGradientIsTheProductWithTheWeightAndCanAccumulate) {
  const auto [m, n, k] = sizes_;
  const TestRows a = make_rows(rows_, m, n, 1);
  const at::Tensor w = normal({n, k}, 4), before = normal({m, k}, 5);
  const at::Tensor product = at::mm(read(a.dense()), read(w));
  const at::Tensor bound = rounding_bound(read(a.dense()), read(w), n);
  for (const bool accumulate : {false, true}) {
    at::Tensor c = before.clone();
    matmul_nn(a.view(), m, n, k, w.const_data_ptr<float>(), c.mutable_data_ptr<float>(), k, accumulate,
              workspace_, options_);
    const at::Tensor start = before.to(at::kDouble) * (accumulate ? 1.0 : 0.0);
    // With accumulation the micro-kernel's sum starts from what is there, so that every rounding may act on
    // it.
    EXPECT_TRUE(within(c, product + start, bound + start.abs() * (static_cast<double>(n + 3) * kRoundOff)));
  }
}

TEST_P(Matmul, WeightGradientSumsOuterProductsOfBothOperandsRows) {
  const auto [m, n, k] = sizes_;
  const TestRows dz = make_rows(rows_, m, n, 1), x = make_rows(rows_, m, k, 11);
  at::Tensor c = at::full({n, k}, NAN);
  matmul_tn(dz.view(), x.view(), m, n, k, c.mutable_data_ptr<float>(), workspace_, options_);
  const at::Tensor left = read(dz.dense()).t(), right = read(x.dense());
  EXPECT_TRUE(within(c, at::mm(left, right), rounding_bound(left, right, m)));
}

std::string case_name(const ::testing::TestParamInfo<Matmul::ParamType>& instance) {
  const auto& [sizes, rows, backend, precision] = instance.param;
  return std::to_string(sizes.m) + "x" + std::to_string(sizes.n) + "x" + std::to_string(sizes.k) +
         (rows == Rows::plain ? "Plain" : "Gathered") + (backend == GemmBackend::brgemm ? "Brgemm" : "Aten") +
         (precision == Precision::bfloat16 ? "BFloat16" : "Float32");
}

INSTANTIATE_TEST_SUITE_P(Sizes, Matmul,
                         ::testing::Combine(::testing::ValuesIn(kSizes),
                                            ::testing::Values(Rows::plain, Rows::gathered),
                                            ::testing::Values(GemmBackend::brgemm, GemmBackend::aten),
                                            ::testing::Values(Precision::float32, Precision::bfloat16)),
                         case_name);

/// All three products of one size, one after another in memory.
at::Tensor all_products(const Sizes& sizes, const TestRows& x, const TestRows& dz, const at::Tensor& w,
                        Precision precision) {
  const auto [m, n, k] = sizes;
  const GemmOptions options{precision, GemmBackend::brgemm};
  Workspace workspace;
  at::Tensor y = at::empty({m, n}), dx = at::empty({m, k}), dw = at::empty({n, k});
  const float* weight = w.const_data_ptr<float>();
  matmul_nt(x.view(), m, n, k, weight, nullptr, y.mutable_data_ptr<float>(), n, workspace, options);
  matmul_nn(dz.view(), m, n, k, weight, dx.mutable_data_ptr<float>(), k, false, workspace, options);
  matmul_tn(dz.view(), x.view(), m, n, k, dw.mutable_data_ptr<float>(), workspace, options);
  return at::cat({y.flatten(), dx.flatten(), dw.flatten()});
}

class MatmulBits : public ::testing::TestWithParam<Precision> {};

TEST_P(MatmulBits, AreTheSameAgainAndWithOneThread) {
  const Precision precision = GetParam();
  if (!brgemm_available(precision)) GTEST_SKIP() << "no brgemm of this precision on this machine";
  const int threads = at::get_num_threads();
  for (const Sizes& sizes : kSizes) {
    const TestRows x = TestRows::gathered(sizes.m, sizes.k, 1), dz = TestRows::gathered(sizes.m, sizes.n, 11);
    const at::Tensor w = normal({sizes.n, sizes.k}, 4);
    const at::Tensor first = all_products(sizes, x, dz, w, precision),
                     second = all_products(sizes, x, dz, w, precision);
    at::set_num_threads(1);
    const at::Tensor single = all_products(sizes, x, dz, w, precision);
    at::set_num_threads(threads);
    EXPECT_TRUE(same_bits(first, second)) << sizes.m << " rows";
    EXPECT_TRUE(same_bits(first, single)) << sizes.m << " rows";
  }
}

TEST_P(MatmulBits, OfARowDependOnNoOtherRow) {
  const Precision precision = GetParam();
  if (!brgemm_available(precision)) GTEST_SKIP() << "no brgemm of this precision on this machine";
  constexpr int64_t kM = 577, kN = 100, kK = 300;
  const at::Tensor a = normal({kM, kK}, 1), w = normal({kN, kK}, 2);
  const auto products = [&](const std::vector<int64_t>& rows) {
    const auto m = static_cast<int64_t>(rows.size());
    at::Tensor y = at::empty({m, kN}), dx = at::zeros({m, kK});
    Workspace workspace;
    const float *pa = a.const_data_ptr<float>(), *pw = w.const_data_ptr<float>();
    matmul_nt({pa, kK, rows.data()}, m, kN, kK, pw, nullptr, y.mutable_data_ptr<float>(), kN, workspace,
              {precision});
    // The first columns of the same rows as dZ.
    matmul_nn({pa, kK, rows.data()}, m, kN, kK, pw, dx.mutable_data_ptr<float>(), kK, true, workspace,
              {precision});
    return at::cat({y, dx}, 1);
  };
  std::vector<int64_t> all(kM);
  std::iota(all.begin(), all.end(), 0);
  const at::Tensor whole = products(all);
  for (const int64_t count : {1, 2, 63, 64, 65, 200}) {
    std::vector<int64_t> some;
    for (int64_t i = 0; i < count; ++i) some.push_back((i * 7 + 3) % kM);
    const at::Tensor expected = whole.index_select(0, at::tensor(some));
    EXPECT_TRUE(same_bits(products(some), expected)) << count << " rows";
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, MatmulBits, ::testing::Values(Precision::float32, Precision::bfloat16),
                         [](const auto& instance) {
                           return instance.param == Precision::bfloat16 ? "BFloat16" : "Float32";
                         });

TEST(MatmulTn, SumsManyBatchesOfPackedRows) {
  // More rows than are packed at once for 1536 + 384 columns (2²² floats, four chunks of 512).
  constexpr int64_t kRows = 3000, kN = 1536, kK = 384;
  const TestRows dz = TestRows::gathered(kRows, kN, 1), x = TestRows::gathered(kRows, kK, 11);
  for (const auto precision : {Precision::float32, Precision::bfloat16}) {
    at::Tensor c = at::empty({kN, kK});
    Workspace workspace;
    matmul_tn(dz.view(), x.view(), kRows, kN, kK, c.mutable_data_ptr<float>(), workspace, {precision});
    const at::Tensor left = operand(dz.dense(), precision).t(), right = operand(x.dense(), precision);
    EXPECT_TRUE(within(c, at::mm(left, right), rounding_bound(left, right, kRows)));
  }
}

TEST(MatmulTn, NoRowsGiveZeros) {
  Workspace workspace;
  for (const auto backend : {GemmBackend::automatic, GemmBackend::aten}) {
    at::Tensor c = at::full({3, 5}, NAN);
    matmul_tn({}, {}, 0, 3, 5, c.mutable_data_ptr<float>(), workspace, {Precision::float32, backend});
    EXPECT_TRUE(c.eq(0).all().item<bool>());
  }
}

TEST(MatmulNt, NonFiniteInputsReachTheOutputsOfTheirRowsOnly) {
  constexpr int64_t kM = 20, kN = 70, kK = 33;
  for (const auto precision : {Precision::float32, Precision::bfloat16}) {
    at::Tensor a = normal({kM, kK}, 1), w = normal({kN, kK}, 2), c = at::empty({kM, kN});
    a[3][5] = NAN;
    Workspace workspace;
    matmul_nt({a.const_data_ptr<float>(), kK}, kM, kN, kK, w.const_data_ptr<float>(), nullptr,
              c.mutable_data_ptr<float>(), kN, workspace, {precision});
    EXPECT_TRUE(c[3].isnan().all().item<bool>());
    EXPECT_EQ(c.isnan().sum().item<int64_t>(), kN);
  }
}

}  // namespace kernels_gemm_test
}  // namespace vcas::ops::kernels
