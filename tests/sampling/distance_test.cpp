#include "sampling/distance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sparse_coo_tensor.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <vector>

namespace vcas::sampling {
namespace distance_test {

TEST(SquaredDistance, AgreesWithFloat64OnSizesAroundTheChunk) {
  for (const int64_t size : {1, 7, 8, 65535, 65536, 65537, 300001}) {
    const auto a = at::randn({size}), b = at::randn({size});
    const double expected = (a.to(at::kDouble) - b.to(at::kDouble)).pow(2).sum().item<double>();
    // Sums of at most 3e5 positive float64 terms: relative rounding far below 1e-12.
    EXPECT_NEAR(squared_distance(a, b), expected, 1e-12 * expected);
    EXPECT_NEAR(squared_norm(a), a.to(at::kDouble).pow(2).sum().item<double>(),
                1e-12 * static_cast<double>(size) * 10);
  }
}

TEST(SquaredDistance, StridedAndDoubleTensorsGiveTheSame) {
  const auto a = at::randn({40, 30}), b = at::randn({40, 30});
  EXPECT_NEAR(squared_distance(a.t(), b.t()), squared_distance(a, b), 1e-9);
  EXPECT_NEAR(squared_distance(a.to(at::kDouble), b.to(at::kDouble)), squared_distance(a, b), 1e-9);
}

TEST(SquaredDistance, LargeFloatsDoNotOverflow) {
  EXPECT_NEAR(squared_norm(at::full({4}, 1e30)) / 4e60, 1.0, 1e-6);
}

at::Tensor rows_of(const std::vector<int64_t>& rows) {
  return at::sparse_coo_tensor(at::tensor(rows).unsqueeze(0),
                               at::randn({static_cast<int64_t>(rows.size()), 5}), {9, 5});
}

TEST(SquaredDistance, SparseRowsCountAsDenseOnesWithZerosElsewhere) {
  // Row 3 comes twice: values of repeated rows add up.
  const auto a = rows_of({1, 3, 3, 8}), b = rows_of({0, 3});
  const double norm = squared_norm(a.to_dense()), distance = squared_distance(a.to_dense(), b.to_dense());
  // Differences of sparse tensors are float32: relative error near 1e-7 a value.
  EXPECT_NEAR(squared_norm(a) / norm, 1, 1e-6);
  EXPECT_NEAR(squared_distance(a, b) / distance, 1, 1e-6);
  EXPECT_NEAR(squared_distance(a, b.to_dense()) / distance, 1, 1e-6);
  EXPECT_NEAR(squared_distance(a.to_dense(), b) / distance, 1, 1e-6);
  EXPECT_EQ(squared_distance(a, a), 0);
}

TEST(SquaredDistance, NamesDifferentShapes) {
  try {
    squared_distance(at::randn({3}), at::randn({4}));
    FAIL() << "accepted different shapes";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("expected equal shapes, got [3] and [4]"), std::string::npos);
  }
}

}  // namespace distance_test
}  // namespace vcas::sampling
