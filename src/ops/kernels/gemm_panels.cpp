#include <ATen/native/CPUBlas.h>

#include <hwy/cache_control.h>
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

/// A cache line of floats.
constexpr int64_t kCacheLine = 16;

void prefetch(const float* row, int64_t columns) {
  for (int64_t c = 0; c < columns; c += kCacheLine) hwy::Prefetch(row + c);
}

/// out[c][r] = w[r][c]: kGroup rows at a time, from left to right. Weights come from memory, and rows are too
/// short for hardware prefetchers to follow so many of them: what is read kAhead columns later is called for.
/// @param w `rows` <= kTile rows of k. @param out [k x kTile].
void pack_transposed(const float* w, int64_t rows, int64_t k, float* out) {
  constexpr int64_t kGroup = 16, kColumns = 64, kAhead = 128;
  for (int64_t first = 0; first < rows; first += kGroup) {
    const int64_t count = std::min(kGroup, rows - first);
    for (int64_t column = 0; column < k; column += kColumns) {
      std::array<const float*, kGroup> group{};
      for (int64_t r = 0; r < count; ++r) {
        const float* place = w + (first + r) * k + column;
        group[static_cast<size_t>(r)] = place;
        // Past the end of the group, the same columns of the next one.
        const int64_t left = k - column - kAhead;
        if (left > 0) {
          prefetch(place + kAhead, std::min(kColumns, left));
        } else if (first + r + kGroup < rows) {
          prefetch(place + kAhead + (kGroup - 1) * k, std::min(kColumns, k + left));
        }
      }
      transpose_rows(group.data(), /*factors=*/nullptr, count, std::min(kColumns, k - column),
                     out + column * kTile + first, kTile);
    }
  }
}

/// out[r][c] = w[r][c] for `columns` <= kTile columns. @param w rows of k floats. @param out [rows x kTile].
void pack_columns(const float* w, int64_t k, int64_t rows, int64_t columns, float* out) {
  constexpr int64_t kAhead = 16;
  for (int64_t r = 0; r < rows; ++r) {
    if (r + kAhead < rows) prefetch(w + (r + kAhead) * k, columns);
    std::copy_n(w + r * k, columns, out + r * kTile);
  }
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
  multiply(product, workspace,
           [=](int64_t first, int64_t count, float* out) { pack_transposed(w + first * k, count, k, out); });
}

void matmul_nn_brgemm(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c,
                      int64_t ldc, bool accumulate, Workspace& workspace) {
  Product product{nullptr, 0, m, n, k, /*bias=*/nullptr, c, ldc, accumulate};
  product.a = contiguous_rows(a, m, n, product.stride, workspace);
  multiply(product, workspace,
           [=](int64_t first, int64_t count, float* out) { pack_columns(w + first, k, n, count, out); });
}

}  // namespace vcas::ops::kernels::detail
