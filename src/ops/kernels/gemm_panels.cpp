#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <array>

#include "ops/kernels/gemm_detail.h"
#include "ops/kernels/parallel.h"
#include "ops/kernels/row_chunks.h"
#include "ops/kernels/tiles.h"

namespace vcas::ops::kernels::detail {
namespace {

using at::native::cpublas::brgemm;

/// Most of the depth that one brgemm call multiplies: a panel of B of that depth and a row block of A share
/// the second cache level.
constexpr int64_t kDepth = 1536;

/// C [m x width] = A [m x depth]·B + bias, or C += A·B, rows of A lying `stride` apart.
struct Product {
  const float* a;
  int64_t stride;
  int64_t m;
  int64_t depth;
  int64_t width;
  const float* bias;
  float* c;
  int64_t ldc;
  bool accumulate;

  int64_t panels() const { return divide_up(width, kTile); }
  int64_t row_blocks() const { return divide_up(m, kTile); }
};

/// A range of the depth, and of the row blocks.
struct Range {
  int64_t begin;
  int64_t end;
};

/// Part `index` of `count` nearly equal ones.
Range part(int64_t size, int64_t index, int64_t count) {
  return {size * index / count, size * (index + 1) / count};
}

/// Adds one depth range's product to a tile of C. The first range starts the sum, the last one adds the bias.
/// @param b panel of B, [depth x kTile].
void multiply_tile(const Product& product, const float* b, int64_t block, int64_t panel, const Range& depth) {
  const int64_t first = block * kTile, column = panel * kTile;
  const int64_t rows = std::min(kTile, product.m - first), columns = std::min(kTile, product.width - column);
  float* c = product.c + first * product.ldc + column;
  brgemm(rows, columns, depth.end - depth.begin, product.stride, kTile, product.ldc,
         product.accumulate || depth.begin > 0, product.a + first * product.stride + depth.begin,
         b + depth.begin * kTile, c);
  if (product.bias && depth.end == product.depth) {
    add_bias(product.bias + column, rows, columns, c, product.ldc);
  }
}

/// Rows of A in place where they lie together, else copied to the workspace. @return the first; their stride
/// is written to `stride`.
const float* contiguous_rows(const RowView& a, int64_t m, int64_t depth, int64_t& stride,
                             Workspace& workspace) {
  stride = a.stride;
  if (!a.index && !a.scale) return a.row(0);
  stride = depth;
  float* copy = workspace.shared().floats(m * depth);
  for_row_chunks(m, /*scratch_floats=*/0, workspace, [&](int64_t begin, int64_t end, float*) {
    for (int64_t r = begin; r < end; ++r) copy_row(a.row(r), a.factor(r), depth, copy + r * depth);
  });
  return copy;
}

/// Panel by panel of 64 columns of B: a thread packs one and multiplies all row blocks by it while it is in
/// the cache. Where there are few panels for the threads, the rows are split too, and panels packed more than
/// once.
/// @param pack_panel (first column, columns, out [depth x kTile]).
template <class PackPanel>
void multiply(const Product& product, Workspace& workspace, const PackPanel& pack_panel) {
  constexpr int64_t kTasksOfAThread = 3;
  const int64_t panels = product.panels(), blocks = product.row_blocks();
  const int64_t row_groups = std::min(blocks, divide_up(kTasksOfAThread * thread_count(), panels));
  const int64_t ranges = divide_up(product.depth, kDepth);
  workspace.reserve_threads(thread_count());
  parallel_tasks(panels * row_groups, [&](int64_t task, int slot) {
    const int64_t panel = task / row_groups;
    const Range rows = part(blocks, task % row_groups, row_groups);
    float* b = workspace.thread(slot).floats(product.depth * kTile);
    pack_panel(panel * kTile, std::min(kTile, product.width - panel * kTile), b);
    for (int64_t i = 0; i < ranges; ++i) {
      const Range depth = part(product.depth, i, ranges);
      for (int64_t block = rows.begin; block < rows.end; ++block) {
        multiply_tile(product, b, block, panel, depth);
      }
    }
    at::native::cpublas::brgemm_release(/*is_vnni=*/false);
  });
}

}  // namespace

void matmul_nt_brgemm(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias,
                      float* c, int64_t ldc, Workspace& workspace) {
  Product product{nullptr, 0, m, k, n, bias, c, ldc, /*accumulate=*/false};
  product.a = contiguous_rows(a, m, k, product.stride, workspace);
  multiply(product, workspace, [=](int64_t first, int64_t count, float* out) {
    std::array<const float*, kTile> rows{};
    for (int64_t r = 0; r < count; ++r) rows[static_cast<size_t>(r)] = w + (first + r) * k;
    transpose_rows(rows.data(), /*factors=*/nullptr, count, k, out, kTile);
  });
}

void matmul_nn_brgemm(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c,
                      int64_t ldc, bool accumulate, Workspace& workspace) {
  Product product{nullptr, 0, m, n, k, /*bias=*/nullptr, c, ldc, accumulate};
  product.a = contiguous_rows(a, m, n, product.stride, workspace);
  multiply(product, workspace, [=](int64_t first, int64_t count, float* out) {
    for (int64_t r = 0; r < n; ++r) std::copy_n(w + r * k + first, count, out + r * kTile);
  });
}

}  // namespace vcas::ops::kernels::detail
