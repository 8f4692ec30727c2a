#include <ATen/native/CPUBlas.h>

#include <array>

#include "ops/kernels/gemm_detail.h"
#include "ops/kernels/parallel.h"
#include "ops/kernels/tiles.h"

namespace vcas::ops::kernels::detail {
namespace {

using at::native::cpublas::brgemm;

/// Most of the depth that one brgemm call multiplies.
constexpr int64_t kDepth = 1024;

/// What every task of one product shares.
struct Product {
  const RowView& a;
  int64_t m;
  const Panels& b;
  const float* bias;
  float* c;
  int64_t ldc;
  bool accumulate;

  int64_t row_blocks() const { return divide_up(m, kTile); }
};

/// A block of rows as brgemm reads it.
struct RowBlock {
  const float* data;
  int64_t stride;
  int64_t rows;
};

/// In place where the rows lie together, else copied to `scratch`, [kTile x depth].
RowBlock row_block(const Product& product, int64_t block, float* scratch) {
  const int64_t first = block * kTile, depth = product.b.depth;
  const int64_t rows = std::min(kTile, product.m - first);
  const RowView& a = product.a;
  if (!a.index && !a.scale) return {a.row(first), a.stride, rows};
  for (int64_t r = 0; r < rows; ++r)
    copy_row(a.row(first + r), a.factor(first + r), depth, scratch + r * depth);
  return {scratch, depth, rows};
}

/// A range of the depth: what of the row block and of the panels one brgemm call multiplies.
struct DepthRange {
  int64_t begin;
  int64_t end;
};

/// Ranges of nearly equal size, short enough that the row block's part stays in the second cache level while
/// the panels pass by.
DepthRange depth_range(int64_t depth, int64_t index, int64_t count) {
  return {depth * index / count, depth * (index + 1) / count};
}

/// Adds one depth range's product to a tile of C. The first range starts the sum, the last one adds the bias.
void multiply_tile(const Product& product, const RowBlock& a, int64_t block, int64_t panel,
                   const DepthRange& range) {
  const int64_t columns = std::min(kTile, product.b.width - panel * kTile);
  const bool accumulate = product.accumulate || range.begin > 0;
  const float* b = product.b.panel(panel) + range.begin * kTile;
  float* c = product.c + block * kTile * product.ldc + panel * kTile;
  brgemm(a.rows, columns, range.end - range.begin, a.stride, kTile, product.ldc, accumulate,
         a.data + range.begin, b, c);
  if (product.bias && range.end == product.b.depth) {
    add_bias(product.bias + panel * kTile, a.rows, columns, c, product.ldc);
  }
}

/// The tiles of one row block and the given panels.
void multiply_row_block(const Product& product, const RowBlock& a, int64_t block, int64_t first_panel,
                        int64_t last_panel) {
  const int64_t ranges = divide_up(product.b.depth, kDepth);
  for (int64_t i = 0; i < ranges; ++i) {
    const DepthRange range = depth_range(product.b.depth, i, ranges);
    for (int64_t panel = first_panel; panel < last_panel; ++panel) {
      multiply_tile(product, a, block, panel, range);
    }
  }
}

/// Into how many groups of panels the columns are split: as few as give every thread enough tasks, and nearly
/// the same number, because each group gathers its rows anew. Threads are never equally fast: while one ends
/// its last task, the others wait.
int64_t panel_groups(int64_t row_blocks, int64_t panels) {
  constexpr int64_t kTasksOfAThread = 3;
  const int64_t threads = thread_count();
  for (int64_t groups = 1; groups < panels; ++groups) {
    const int64_t tasks = row_blocks * groups;
    if (tasks >= threads * kTasksOfAThread && divide_up(tasks, threads) * threads * 20 <= tasks * 21) {
      return groups;
    }
  }
  return panels;
}

template <class PackPanel>
Panels pack_panels(int64_t depth, int64_t width, float* storage, const PackPanel& pack_panel) {
  const Panels panels{storage, depth, width};
  parallel_tasks(panels.count(), [&](int64_t index, int) {
    float* out = storage + index * depth * kTile;
    const int64_t first = index * kTile, columns = std::min(kTile, width - first);
    pack_panel(first, columns, out);
  });
  return panels;
}

}  // namespace

Panels pack_transposed(const float* w, int64_t rows, int64_t columns, int64_t stride, float* storage) {
  return pack_panels(columns, rows, storage, [=](int64_t first, int64_t count, float* out) {
    std::array<const float*, kTile> source;
    for (int64_t r = 0; r < count; ++r) source[static_cast<size_t>(r)] = w + (first + r) * stride;
    transpose_rows(source.data(), /*factors=*/nullptr, count, columns, out, kTile);
  });
}

Panels pack(const float* w, int64_t rows, int64_t columns, int64_t stride, float* storage) {
  return pack_panels(rows, columns, storage, [=](int64_t first, int64_t count, float* out) {
    for (int64_t r = 0; r < rows; ++r) std::copy_n(w + r * stride + first, count, out + r * kTile);
  });
}

void multiply_panels(const RowView& a, int64_t m, const Panels& b, const float* bias, float* c, int64_t ldc,
                     bool accumulate, Workspace& workspace) {
  const Product product{a, m, b, bias, c, ldc, accumulate};
  const int64_t panels = b.count(), groups = panel_groups(product.row_blocks(), panels);
  workspace.reserve_threads(thread_count());
  parallel_tasks(product.row_blocks() * groups, [&](int64_t task, int slot) {
    const int64_t block = task / groups, group = task % groups;
    const RowBlock rows = row_block(product, block, workspace.thread(slot).floats(kTile * b.depth));
    multiply_row_block(product, rows, block, panels * group / groups, panels * (group + 1) / groups);
    at::native::cpublas::brgemm_release(/*is_vnni=*/false);
  });
}

}  // namespace vcas::ops::kernels::detail
