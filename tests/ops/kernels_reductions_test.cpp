#include "ops/kernels/reductions.h"

#include <ATen/Parallel.h>
#include <vector>

#include "kernels_elementwise_support.h"

namespace vcas::ops::kernels {
namespace kernels_reductions_test {

using testing::close;
using testing::doubles;
using testing::floats;
using testing::for_each_target;
using testing::kRoundOff;
using testing::kShapes;
using testing::normal;
using testing::same_bits;
using testing::Shape;
using testing::sum_bound;
using testing::TestRows;
using testing::within;

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
    const double want = x.to(at::kDouble).square().sum().item<double>() + 9;
    const float three = 3;
    const std::span<const float> arrays[] = {
        {x.const_data_ptr<float>(), static_cast<size_t>(count)}, {}, {&three, 1}};
    EXPECT_NEAR(sum_of_squares(arrays, workspace), want, 1e-12 * want);
  }
  Workspace workspace;
  EXPECT_EQ(sum_of_squares({}, workspace), 0.0);
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

}  // namespace kernels_reductions_test
}  // namespace vcas::ops::kernels
