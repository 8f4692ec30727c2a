#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "ops/kernels/workspace.h"

namespace vcas::ops::kernels {

/// Splits rows into chunks by a rule that knows nothing of threads, so that column sums, added up inside each
/// chunk and then over the chunks in order, have the same bits however many threads there are.
struct RowChunks {
  explicit RowChunks(int64_t row_count)
      : rows(row_count),
        size(std::max<int64_t>(16, (row_count + 63) / 64)),
        count((row_count + size - 1) / size) {}

  int64_t begin(int64_t chunk) const { return chunk * size; }
  int64_t end(int64_t chunk) const { return std::min(rows, (chunk + 1) * size); }

  int64_t rows;
  int64_t size;
  int64_t count;  ///< at most 64
};

/// body(begin, end, scratch) for every chunk, in parallel. @param scratch_floats of each thread's own scratch
/// memory.
void for_row_chunks(int64_t rows, int64_t scratch_floats, Workspace& workspace,
                    const std::function<void(int64_t begin, int64_t end, float* scratch)>& body);

/// The same with column sums: body adds its rows' terms to `partial`, [width], zeros at first; sums[c] is
/// then the sum of all partials. @param width 0: no sums, partial is null.
void sum_over_row_chunks(
    int64_t rows, int64_t scratch_floats, int64_t width, float* sums, Workspace& workspace,
    const std::function<void(int64_t begin, int64_t end, float* scratch, float* partial)>& body);

}  // namespace vcas::ops::kernels
