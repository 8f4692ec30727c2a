#include "control/gradient_dispersion.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sparse_coo_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/var.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace vcas::control {
namespace gradient_dispersion_test {

TEST(GradientDispersion, IsTheSampleVariance) {
  at::manual_seed(1);
  for (const int count : {2, 3, 5}) {
    GradientDispersion dispersion;
    std::vector<at::Tensor> all;
    for (int i = 0; i < count; ++i) {
      all.push_back(at::randn({40, 7}));
      dispersion.add({all.back(), all.back() * 3});
    }
    const double expected = at::var(at::stack(all).to(at::kDouble), at::IntArrayRef{0}).sum().item<double>();
    // Means are float32: relative error near 1e-7 a value, averaged over 280.
    EXPECT_NEAR(dispersion.variances()[0] / expected, 1, 1e-6);
    EXPECT_NEAR(dispersion.variances()[1] / (9 * expected), 1, 1e-6);
  }
}

TEST(GradientDispersion, OfSparseGradientsIsThatOfDenseOnes) {
  at::manual_seed(2);
  GradientDispersion sparse, dense, mixed;
  const std::vector<std::vector<int64_t>> rows = {{1, 3, 3}, {0, 3}, {7}};
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto count = static_cast<int64_t>(rows[i].size());
    const auto gradient =
        at::sparse_coo_tensor(at::tensor(rows[i]).unsqueeze(0), at::randn({count, 5}), {9, 5});
    sparse.add({gradient});
    dense.add({gradient.to_dense()});
    mixed.add({i == 1 ? gradient.to_dense() : gradient});
    // What a checkpoint takes apart.
    EXPECT_TRUE(sparse.means()[0].is_sparse() && sparse.means()[0].is_coalesced());
  }
  // Means and differences are float32: relative error near 1e-7 a value.
  EXPECT_NEAR(sparse.variances()[0] / dense.variances()[0], 1, 1e-6);
  EXPECT_NEAR(mixed.variances()[0] / dense.variances()[0], 1, 1e-6);
}

TEST(GradientDispersion, LosesNothingToALargeCommonPart) {
  GradientDispersion dispersion;
  dispersion.add({at::full({1000}, 4096.0, at::kFloat)});
  dispersion.add({at::full({1000}, 4096.0 + 0.0009765625, at::kFloat)});  // two units in the last place
  EXPECT_DOUBLE_EQ(dispersion.variances()[0], 1000 * 0.0009765625 * 0.0009765625 / 2);
}

TEST(GradientDispersion, KeepsItsOwnCopy) {
  at::Tensor gradient = at::full({3}, 1.0);
  GradientDispersion dispersion;
  dispersion.add({gradient});
  gradient.fill_(100);
  dispersion.add({at::full({3}, 1.0)});
  EXPECT_EQ(dispersion.variances()[0], 0);
}

TEST(GradientDispersion, DoesNotOverflow) {
  GradientDispersion dispersion;
  dispersion.add({at::full({4}, 1e30, at::kFloat)});
  dispersion.add({at::full({4}, -1e30, at::kFloat)});
  EXPECT_NEAR(dispersion.variances()[0] / 8e60, 1, 1e-6);
}

TEST(AllFinite, SeesEveryTensor) {
  EXPECT_TRUE(all_finite({at::zeros({2}), at::full({2}, 3e38)}));
  EXPECT_FALSE(all_finite({at::zeros({2}), at::full({2}, std::numeric_limits<double>::quiet_NaN())}));
  EXPECT_FALSE(all_finite({at::full({1}, -std::numeric_limits<double>::infinity()), at::zeros({2})}));
}

}  // namespace gradient_dispersion_test
}  // namespace vcas::control
