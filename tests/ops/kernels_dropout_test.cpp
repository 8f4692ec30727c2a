#include "ops/kernels/dropout.h"

#include <cmath>
#include <vector>

#include "kernels_elementwise_support.h"
#include "sampling/philox.h"

namespace vcas::ops::kernels {
namespace kernels_dropout_test {

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

TEST(DropoutBackward, MasksOriginalRowsAndSums) {
  for (const double p : {0.0, 0.1}) {
    for (const Shape& shape : kShapes) {
      const int64_t rows = shape.rows, columns = shape.columns;
      const TestRows grad = TestRows::gathered(rows, columns, 1);
      const at::Tensor mask_rows = some_rows(rows, 3 * rows, 5);
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

}  // namespace kernels_dropout_test
}  // namespace vcas::ops::kernels
