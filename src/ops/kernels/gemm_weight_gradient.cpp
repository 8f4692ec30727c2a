#include <ATen/native/CPUBlas.h>

#include <hwy/cache_control.h>
#include <array>

#include "ops/kernels/gemm_detail.h"
#include "ops/kernels/parallel.h"
#include "ops/kernels/tiles.h"

namespace vcas::ops::kernels::detail {
namespace {

using at::native::cpublas::brgemm;

/// Rows that one brgemm call sums over.
constexpr int64_t kChunk = 512;
/// Packed rows that are kept at a time, in floats: few enough for the last cache level, and enough that the
/// threads seldom wait for each other.
constexpr int64_t kBatchFloats = int64_t{4} << 20;

/// A range of rows, packed in chunks: dz as [chunk][n/64][64][kChunk] (transposed), x as
/// [chunk][k/64][kChunk][64]. A last chunk that is not full is filled up with zero rows to a multiple of
/// kTileStep.
struct PackedRows {
  int64_t n_tiles;
  int64_t k_tiles;
  int64_t rows;
  float* dz;
  float* x;

  int64_t chunks() const { return divide_up(rows, kChunk); }
  int64_t chunk_rows(int64_t chunk) const { return std::min(kChunk, rows - chunk * kChunk); }
  float* dz_tile(int64_t chunk, int64_t tile) const { return dz + (chunk * n_tiles + tile) * kTile * kChunk; }
  float* x_tile(int64_t chunk, int64_t tile) const { return x + (chunk * k_tiles + tile) * kTile * kChunk; }
};

/// kTileStep rows of one chunk, or what is left of them.
struct RowGroup {
  int64_t chunk;
  int64_t row;    ///< in the chunk
  int64_t first;  ///< in the views
  int64_t count;
};

void pack_dz_group(const RowView& dz, const RowGroup& group, int64_t n, const PackedRows& packed) {
  std::array<const float*, kTileStep> source{};
  const float* factors = dz.scale ? dz.scale + group.first : nullptr;
  for (int64_t tile = 0; tile < packed.n_tiles; ++tile) {
    const int64_t column = tile * kTile, columns = std::min(kTile, n - column);
    float* out = packed.dz_tile(group.chunk, tile) + group.row;
    if (group.count < kTileStep || columns < kTile) {
      for (int64_t c = 0; c < kTile; ++c) std::fill_n(out + c * kChunk, kTileStep, 0.0f);
    }
    for (int64_t r = 0; r < group.count; ++r) {
      source[static_cast<size_t>(r)] = dz.row(group.first + r) + column;
    }
    transpose_rows(source.data(), factors, group.count, columns, out, kChunk);
  }
}

void pack_x_group(const RowView& x, const RowGroup& group, int64_t k, const PackedRows& packed) {
  for (int64_t tile = 0; tile < packed.k_tiles; ++tile) {
    const int64_t column = tile * kTile, columns = std::min(kTile, k - column);
    float* out = packed.x_tile(group.chunk, tile) + group.row * kTile;
    if (group.count < kTileStep || columns < kTile) std::fill_n(out, kTileStep * kTile, 0.0f);
    for (int64_t r = 0; r < group.count; ++r) {
      copy_row(x.row(group.first + r) + column, x.factor(group.first + r), columns, out + r * kTile);
    }
  }
}

/// Gathered rows lie where no hardware prefetcher expects them.
void prefetch_rows(const RowView& view, int64_t first, int64_t count, int64_t columns) {
  constexpr int64_t kCacheLine = 16;
  for (int64_t r = 0; r < count; ++r) {
    const float* row = view.row(first + r);
    for (int64_t c = 0; c < columns; c += kCacheLine) hwy::Prefetch(row + c);
  }
}

void pack_rows(const RowView& dz, const RowView& x, int64_t first, int64_t n, int64_t k,
               const PackedRows& packed) {
  parallel_tasks(divide_up(packed.rows, kTileStep), [&](int64_t task, int) {
    const int64_t row = task * kTileStep, count = std::min(kTileStep, packed.rows - row);
    const RowGroup group{row / kChunk, row % kChunk, first + row, count};
    prefetch_rows(x, group.first, group.count, k);
    pack_dz_group(dz, group, n, packed);
    // What this thread is likely to take next.
    const int64_t next = row + kTileStep * thread_count();
    prefetch_rows(dz, first + next, std::min(kTileStep, packed.rows - next), n);
    pack_x_group(x, group, k, packed);
  });
}

/// One tile of C, summed over the chunks in order.
void multiply_tile(const PackedRows& packed, int64_t n_tile, int64_t k_tile, int64_t n, int64_t k,
                   bool accumulate, float* scratch, float* c) {
  const int64_t rows = std::min(kTile, n - n_tile * kTile), columns = std::min(kTile, k - k_tile * kTile);
  const bool whole = rows == kTile && columns == kTile;
  float* place = c + n_tile * kTile * k + k_tile * kTile;
  float* target = whole ? place : scratch;
  const int64_t ld = whole ? k : kTile;
  for (int64_t chunk = 0; chunk < packed.chunks(); ++chunk) {
    brgemm(round_up(rows, kTileStep), round_up(columns, kTileStep),
           round_up(packed.chunk_rows(chunk), kTileStep), kChunk, kTile, ld,
           /*add_C=*/chunk > 0 || (whole && accumulate), packed.dz_tile(chunk, n_tile),
           packed.x_tile(chunk, k_tile), target);
  }
  if (!whole) store_tile(scratch, kTile, /*bias=*/nullptr, accumulate, rows, columns, place, k);
}

void multiply_rows(const PackedRows& packed, int64_t n, int64_t k, bool accumulate, float* c,
                   Workspace& workspace) {
  parallel_tasks(packed.n_tiles * packed.k_tiles, [&](int64_t task, int slot) {
    float* scratch = workspace.thread(slot).floats(kTile * kTile);
    multiply_tile(packed, task / packed.k_tiles, task % packed.k_tiles, n, k, accumulate, scratch, c);
    at::native::cpublas::brgemm_release(/*is_vnni=*/false);
  });
}

}  // namespace

void weight_gradient_brgemm(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c,
                            Workspace& workspace) {
  const int64_t n_tiles = divide_up(n, kTile), k_tiles = divide_up(k, kTile);
  const int64_t chunk_floats = (n_tiles + k_tiles) * kTile * kChunk;
  const int64_t batch_chunks =
      std::min(divide_up(rows, kChunk), std::max<int64_t>(1, kBatchFloats / chunk_floats));
  float* storage = workspace.shared().floats(batch_chunks * chunk_floats);
  workspace.reserve_threads(thread_count());
  for (int64_t first = 0; first < rows; first += batch_chunks * kChunk) {
    const PackedRows packed{n_tiles, k_tiles, std::min(batch_chunks * kChunk, rows - first), storage,
                            storage + batch_chunks * n_tiles * kTile * kChunk};
    pack_rows(dz, x, first, n, k, packed);
    multiply_rows(packed, n, k, /*accumulate=*/first > 0, c, workspace);
  }
}

}  // namespace vcas::ops::kernels::detail
