#include "ops/kernels/reductions.h"

#include <numeric>
#include <vector>

#include "ops/kernels/array_blocks.h"
#include "ops/kernels/parallel.h"
#include "ops/kernels/row_chunks.h"
#include "sampling/float_sums.h"
#include "sampling/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/reductions.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include "ops/kernels/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {

void reduce_row_range(const RowView& x, int64_t begin, int64_t end, int64_t columns, double* row_norms,
                      float* partial) {
  for (int64_t r = begin; r < end; ++r) {
    const float* row = x.row(r);
    const auto factor = hn::Set(DF(), x.factor(r));
    SquareSum squares;
    for_each_vector(columns, [&](const auto& access, int64_t c) HWY_ATTR {
      const auto value = hn::Mul(factor, access.load(row + c));
      if (partial) access.store(hn::Add(access.load(partial + c), value), partial + c);
      squares.add(value);
    });
    if (row_norms) row_norms[r] = std::sqrt(squares.total());
  }
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vcas::ops::kernels {

HWY_EXPORT(reduce_row_range);

void reduce_rows(const RowView& x, int64_t rows, int64_t columns, double* row_norms, float* column_sums,
                 Workspace& workspace) {
  const int64_t width = column_sums ? columns : 0;
  sum_over_row_chunks(rows, /*scratch_floats=*/0, width, column_sums, workspace,
                      [&](int64_t begin, int64_t end, float*, float* partial) {
                        HWY_DYNAMIC_DISPATCH(reduce_row_range)(x, begin, end, columns, row_norms, partial);
                      });
}

double sum_of_squares(std::span<const std::span<const float>> arrays, Workspace& workspace) {
  std::vector<int64_t> sizes;
  for (const auto& array : arrays) sizes.push_back(static_cast<int64_t>(array.size()));
  const ArrayBlocks blocks(sizes);
  double* partials = workspace.shared().doubles(blocks.count());
  parallel_tasks(blocks.count(), [&](int64_t block, int) {
    const auto [array, first, length] = blocks.at(block);
    partials[block] = sampling::sum_of_squares(arrays[array].data() + first, length);
  });
  return std::accumulate(partials, partials + blocks.count(), 0.0);
}

}  // namespace vcas::ops::kernels
#endif
