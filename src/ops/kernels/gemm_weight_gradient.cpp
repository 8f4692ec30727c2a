#include <ATen/native/CPUBlas.h>

#include <array>

#include "ops/kernels/gemm_detail.h"
#include "ops/kernels/gemm_operands.h"
#include "ops/kernels/parallel.h"
#include "ops/kernels/tiles.h"

namespace vcas::ops::kernels::detail {
namespace {

using at::native::cpublas::brgemm;

/// Rows that one brgemm call sums over.
constexpr int64_t kChunk = 512;
/// Packed rows that are kept at a time, in elements: few enough for the last cache level, and enough that the
/// threads seldom wait for each other.
constexpr int64_t kBatchElements = int64_t{4} << 20;

/// A range of rows, packed in chunks: dz as [chunk][n/64][64][kChunk] (transposed), x as
/// [chunk][k/64][kChunk][64].
template <class Operands>
struct PackedRows {
  using Element = typename Operands::Element;

  int64_t n_tiles;
  int64_t k_tiles;
  int64_t rows;
  Element* dz;
  Element* x;

  int64_t chunks() const { return divide_up(rows, kChunk); }
  int64_t chunk_rows(int64_t chunk) const { return std::min(kChunk, rows - chunk * kChunk); }
  Element* dz_tile(int64_t chunk, int64_t tile) const {
    return dz + (chunk * n_tiles + tile) * kTile * kChunk;
  }
  Element* x_tile(int64_t chunk, int64_t tile) const { return x + (chunk * k_tiles + tile) * kTile * kChunk; }
};

/// Operands::kGroup rows of one chunk, or what is left of them.
struct RowGroup {
  int64_t chunk;
  int64_t row;    ///< in the chunk
  int64_t first;  ///< in the views
  int64_t count;
};

template <class Operands>
void pack_dz_group(const RowView& dz, const RowGroup& group, int64_t n, const PackedRows<Operands>& packed) {
  for (int64_t tile = 0; tile < packed.n_tiles; ++tile) {
    const int64_t column = tile * kTile;
    Operands::pack_rows_transposed(dz, group.first, group.count, column, std::min(kTile, n - column),
                                   packed.dz_tile(group.chunk, tile) + group.row, kChunk);
  }
}

template <class Operands>
void pack_x_group(const RowView& x, const RowGroup& group, int64_t k, const PackedRows<Operands>& packed) {
  for (int64_t tile = 0; tile < packed.k_tiles; ++tile) {
    const int64_t column = tile * kTile;
    Operands::pack_rows(x, group.first, group.count, column, std::min(kTile, k - column),
                        packed.x_tile(group.chunk, tile) + group.row * kTile);
  }
}

/// Gathered rows lie where no hardware prefetcher expects them.
void prefetch_rows(const RowView& view, int64_t first, int64_t count, int64_t columns) {
  for (int64_t r = 0; r < count; ++r) prefetch_row(view.row(first + r), columns);
}

template <class Operands>
void pack_rows(const RowView& dz, const RowView& x, int64_t first, int64_t n, int64_t k,
               const PackedRows<Operands>& packed) {
  constexpr int64_t kGroup = Operands::kGroup;
  parallel_tasks(divide_up(packed.rows, kGroup), [&](int64_t task, int) {
    const int64_t row = task * kGroup, count = std::min(kGroup, packed.rows - row);
    const RowGroup group{row / kChunk, row % kChunk, first + row, count};
    prefetch_rows(x, group.first, group.count, k);
    pack_dz_group(dz, group, n, packed);
    // Taken soon, by this thread or another.
    const int64_t next = row + kGroup * thread_count();
    prefetch_rows(dz, first + next, std::min(kGroup, packed.rows - next), n);
    pack_x_group(x, group, k, packed);
  });
}

/// One tile of C, summed over the chunks in order.
template <class Operands>
void multiply_tile(const PackedRows<Operands>& packed, int64_t n_tile, int64_t k_tile, int64_t n, int64_t k,
                   bool accumulate, float* c) {
  const int64_t rows = std::min(kTile, n - n_tile * kTile), columns = std::min(kTile, k - k_tile * kTile);
  float* place = c + n_tile * kTile * k + k_tile * kTile;
  for (int64_t chunk = 0; chunk < packed.chunks(); ++chunk) {
    brgemm(rows, columns, Operands::padded(packed.chunk_rows(chunk)), kChunk, kTile, k,
           /*add_C=*/chunk > 0 || accumulate, packed.dz_tile(chunk, n_tile), packed.x_tile(chunk, k_tile),
           place);
  }
}

template <class Operands>
void multiply_rows(const PackedRows<Operands>& packed, int64_t n, int64_t k, bool accumulate, float* c) {
  parallel_tasks(packed.n_tiles * packed.k_tiles, [&](int64_t task, int) {
    multiply_tile(packed, task / packed.k_tiles, task % packed.k_tiles, n, k, accumulate, c);
    at::native::cpublas::brgemm_release(/*is_vnni=*/Operands::kDepthStep > 1);
  });
}

}  // namespace

template <class Operands>
void weight_gradient_brgemm(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c,
                            Workspace& workspace) {
  const int64_t n_tiles = divide_up(n, kTile), k_tiles = divide_up(k, kTile);
  const int64_t chunk_elements = (n_tiles + k_tiles) * kTile * kChunk;
  const int64_t batch_chunks =
      std::min(divide_up(rows, kChunk), std::max<int64_t>(1, kBatchElements / chunk_elements));
  auto* storage = Operands::memory(workspace.shared(), batch_chunks * chunk_elements);
  for (int64_t first = 0; first < rows; first += batch_chunks * kChunk) {
    const PackedRows<Operands> packed{n_tiles, k_tiles, std::min(batch_chunks * kChunk, rows - first),
                                      storage, storage + batch_chunks * n_tiles * kTile * kChunk};
    pack_rows(dz, x, first, n, k, packed);
    multiply_rows(packed, n, k, /*accumulate=*/first > 0, c);
  }
}

template void weight_gradient_brgemm<Float32Operands>(const RowView&, const RowView&, int64_t, int64_t,
                                                      int64_t, float*, Workspace&);
template void weight_gradient_brgemm<BFloat16Operands>(const RowView&, const RowView&, int64_t, int64_t,
                                                       int64_t, float*, Workspace&);

}  // namespace vcas::ops::kernels::detail
