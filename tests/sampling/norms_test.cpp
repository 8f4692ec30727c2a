#include "sampling/norms.h"

#include <ATen/Context.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vcas::sampling {
namespace norms_test {

constexpr double kInf = std::numeric_limits<double>::infinity();

double value(const at::Tensor& tensor, int64_t i) { return tensor[i].item<double>(); }

// Sums of at most 1000 squares in float64: relative error below 1000·2^-53, about 1e-13.
constexpr double kSumTolerance = 1e-12;

TEST(RowNorms, AgreeWithAtenOverTypesAndLayouts) {
  at::manual_seed(1);
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const int64_t columns : {1, 3, 4, 384, 1000}) {
      const at::Tensor rows = at::randn({37, columns}).to(type);
      const at::Tensor expected = at::linalg_vector_norm(rows.to(at::kDouble), 2, 1);
      for (const at::Tensor& layout : {rows, rows.t().contiguous().t()}) {
        EXPECT_TRUE(at::allclose(row_norms(layout), expected, kSumTolerance, 0))
            << c10::toString(type) << columns;
        EXPECT_TRUE(at::allclose(row_norms_generic(layout), expected, kSumTolerance, 0))
            << c10::toString(type);
      }
    }
  }
}

TEST(RowNorms, DoNotOverflowOrUnderflow) {
  const auto both = [](const at::Tensor& rows, double expected, double tolerance) {
    EXPECT_NEAR(value(row_norms(rows), 0) / expected, 1, tolerance);
    EXPECT_NEAR(value(row_norms_generic(rows), 0) / expected, 1, tolerance);
  };
  both(at::full({1, 4}, 1e30, at::kFloat), 2e30, 1e-6);  // 1e30 itself is rounded to float32
  both(at::full({1, 4}, 1e300, at::kDouble), 2e300, kSumTolerance);
  both(at::full({1, 4}, 1e-300, at::kDouble), 2e-300, kSumTolerance);
  both(at::full({1, 4}, 5e-324, at::kDouble), 1e-323, kSumTolerance);
}

TEST(RowNorms, CarryNonFiniteValues) {
  const at::Tensor rows = at::zeros({4, 3}, at::kDouble);
  rows[1][2] = kInf;
  rows[2][0] = -kInf;
  rows[3][1] = std::nan("");
  for (const at::Tensor& norms : {row_norms(rows), row_norms_generic(rows)}) {
    EXPECT_EQ(value(norms, 0), 0);
    EXPECT_EQ(value(norms, 1), kInf);
    EXPECT_EQ(value(norms, 2), kInf);
    EXPECT_TRUE(std::isnan(value(norms, 3)));
  }
}

TEST(RowNorms, OfNoRowsOrNoColumnsAreEmptyOrZero) {
  EXPECT_EQ(row_norms(at::zeros({0, 5})).numel(), 0);
  EXPECT_TRUE(row_norms(at::zeros({2, 0})).equal(at::zeros({2}, at::kDouble)));
  EXPECT_TRUE(row_norms_generic(at::zeros({2, 0})).equal(at::zeros({2}, at::kDouble)));
}

TEST(RowNorms, RefuseOtherShapesAndTypes) {
  EXPECT_THROW(row_norms(at::zeros({3})), c10::Error);
  EXPECT_THROW(row_norms(at::zeros({3, 3}, at::kLong)), c10::Error);
}

TEST(SampleNorms, ArePerSampleFrobeniusNorms) {
  const at::Tensor rows = at::tensor({3.0, 4.0, 1e200, 1e200, 7.0}, at::kDouble);
  const at::Tensor norms = sample_norms(rows, at::tensor({0, 2, 2, 4, 5}, at::kLong));
  EXPECT_DOUBLE_EQ(value(norms, 0), 5);
  EXPECT_EQ(value(norms, 1), 0);
  EXPECT_NEAR(value(norms, 2) / (std::sqrt(2.0) * 1e200), 1, kSumTolerance);
  EXPECT_EQ(value(norms, 3), 7);
}

TEST(SampleNorms, RefuseOffsetsThatDoNotCoverTheRows) {
  const at::Tensor rows = at::zeros({5}, at::kDouble);
  EXPECT_THROW(sample_norms(rows, at::tensor({0, 4}, at::kLong)), c10::Error);
  EXPECT_THROW(sample_norms(rows, at::tensor({1, 5}, at::kLong)), c10::Error);
  EXPECT_THROW(sample_norms(rows, at::tensor({0, 4, 3, 5}, at::kLong)), c10::Error);
  EXPECT_THROW(sample_norms(rows.to(at::kFloat), at::tensor({0, 5}, at::kLong)), c10::Error);
}

}  // namespace norms_test
}  // namespace vcas::sampling
