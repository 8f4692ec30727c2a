#include <ATen/native/CPUBlas.h>

#include <algorithm>

#include "ops/kernels/gemm_detail.h"
#include "ops/kernels/gemm_operands.h"
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
template <class Operands>
struct Product {
  const typename Operands::Element* a;
  int64_t stride;
  int64_t m;
  int64_t depth;  ///< padded
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
template <class Operands>
void multiply_tile(const Product<Operands>& product, const typename Operands::Element* b, int64_t block,
                   int64_t panel, const Range& depth) {
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

/// Sets a product's A: its rows in place where they can be read there, else packed in the workspace.
/// @param depth of the rows.
template <class Operands>
void set_rows(Product<Operands>& product, const RowView& a, int64_t depth, Workspace& workspace) {
  if constexpr (Operands::kInPlace) {
    if (!a.index && !a.scale) {
      product.a = a.row(0);
      product.stride = a.stride;
      return;
    }
  }
  const int64_t stride = product.depth;
  auto* packed = Operands::memory(workspace.shared(), product.m * stride);
  for_row_chunks(product.m, /*scratch_floats=*/0, workspace, [&](int64_t begin, int64_t end, float*) {
    for (int64_t r = begin; r < end; ++r)
      Operands::pack_row(a.row(r), a.factor(r), depth, packed + r * stride);
  });
  product.a = packed;
  product.stride = stride;
}

/// Panel by panel of 64 columns of B: a thread packs one and multiplies all row blocks by it while it is in
/// the cache. Where there are few panels for the threads, the rows are split too, and panels packed more than
/// once.
/// @param pack_panel (first column, columns, out [depth x kTile]).
template <class Operands, class PackPanel>
void multiply(const Product<Operands>& product, Workspace& workspace, const PackPanel& pack_panel) {
  constexpr int64_t kTasksOfAThread = 3;
  const int64_t panels = product.panels(), blocks = product.row_blocks();
  const int64_t row_groups = std::min(blocks, divide_up(kTasksOfAThread * thread_count(), panels));
  const int64_t ranges = divide_up(product.depth, kDepth);
  workspace.reserve_threads(thread_count());
  parallel_tasks(panels * row_groups, [&](int64_t task, int slot) {
    const int64_t panel = task / row_groups;
    const Range rows = part(blocks, task % row_groups, row_groups);
    auto* b = Operands::memory(workspace.thread(slot), product.depth * kTile);
    pack_panel(panel * kTile, std::min(kTile, product.width - panel * kTile), b);
    for (int64_t i = 0; i < ranges; ++i) {
      const Range steps = part(product.depth / Operands::kDepthStep, i, ranges);
      const Range depth{steps.begin * Operands::kDepthStep, steps.end * Operands::kDepthStep};
      for (int64_t block = rows.begin; block < rows.end; ++block) {
        multiply_tile(product, b, block, panel, depth);
      }
    }
    at::native::cpublas::brgemm_release(/*is_vnni=*/Operands::kDepthStep > 1);
  });
}

}  // namespace

template <class Operands>
void matmul_nt_brgemm(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias,
                      float* c, int64_t ldc, Workspace& workspace) {
  Product<Operands> product{nullptr, 0, m, Operands::padded(k), n, bias, c, ldc, /*accumulate=*/false};
  set_rows(product, a, k, workspace);
  multiply(product, workspace, [=](int64_t first, int64_t count, auto* out) {
    Operands::pack_transposed(w + first * k, count, k, out);
  });
}

template <class Operands>
void matmul_nn_brgemm(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c,
                      int64_t ldc, bool accumulate, Workspace& workspace) {
  Product<Operands> product{nullptr, 0, m, Operands::padded(n), k, /*bias=*/nullptr, c, ldc, accumulate};
  set_rows(product, a, n, workspace);
  multiply(product, workspace, [=](int64_t first, int64_t count, auto* out) {
    Operands::pack_columns(w + first, k, n, count, out);
  });
}

template void matmul_nt_brgemm<Float32Operands>(const RowView&, int64_t, int64_t, int64_t, const float*,
                                                const float*, float*, int64_t, Workspace&);
template void matmul_nt_brgemm<BFloat16Operands>(const RowView&, int64_t, int64_t, int64_t, const float*,
                                                 const float*, float*, int64_t, Workspace&);
template void matmul_nn_brgemm<Float32Operands>(const RowView&, int64_t, int64_t, int64_t, const float*,
                                                float*, int64_t, bool, Workspace&);
template void matmul_nn_brgemm<BFloat16Operands>(const RowView&, int64_t, int64_t, int64_t, const float*,
                                                 float*, int64_t, bool, Workspace&);

}  // namespace vcas::ops::kernels::detail
