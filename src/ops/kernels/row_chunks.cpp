#include "ops/kernels/row_chunks.h"

#include "ops/kernels/parallel.h"

namespace vcas::ops::kernels {
namespace {

/// sums = Σ partials, [count x width], in order.
void add_partials(const float* partials, int64_t count, int64_t width, float* sums) {
  constexpr int64_t kColumns = 512;
  parallel_tasks((width + kColumns - 1) / kColumns, [&](int64_t block, int) {
    const int64_t first = block * kColumns, columns = std::min(kColumns, width - first);
    std::fill_n(sums + first, columns, 0.0f);
    for (int64_t chunk = 0; chunk < count; ++chunk) {
      const float* partial = partials + chunk * width + first;
      for (int64_t column = 0; column < columns; ++column) sums[first + column] += partial[column];
    }
  });
}

}  // namespace

void for_row_chunks(int64_t rows, int64_t scratch_floats, Workspace& workspace,
                    const std::function<void(int64_t begin, int64_t end, float* scratch)>& body) {
  sum_over_row_chunks(rows, scratch_floats, /*width=*/0, /*sums=*/nullptr, workspace,
                      [&](int64_t begin, int64_t end, float* scratch, float*) { body(begin, end, scratch); });
}

void sum_over_row_chunks(
    int64_t rows, int64_t scratch_floats, int64_t width, float* sums, Workspace& workspace,
    const std::function<void(int64_t begin, int64_t end, float* scratch, float* partial)>& body) {
  const RowChunks chunks(rows);
  float* partials = width > 0 ? workspace.shared().floats(chunks.count * width) : nullptr;
  workspace.reserve_threads(thread_count());
  parallel_tasks(chunks.count, [&](int64_t chunk, int slot) {
    float* scratch = scratch_floats > 0 ? workspace.thread(slot).floats(scratch_floats) : nullptr;
    float* partial = partials ? partials + chunk * width : nullptr;
    if (partial) std::fill_n(partial, width, 0.0f);
    body(chunks.begin(chunk), chunks.end(chunk), scratch, partial);
  });
  if (partials) add_partials(partials, chunks.count, width, sums);
}

}  // namespace vcas::ops::kernels
