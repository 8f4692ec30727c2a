#include "grouped_rows.h"

#include <algorithm>
#include <numeric>

#include "ops/kernels/parallel.h"

namespace vcas::ops {

GroupedRows::GroupedRows(std::span<const int64_t> indices) : members_(indices.size()) {
  std::iota(members_.begin(), members_.end(), 0);
  std::stable_sort(members_.begin(), members_.end(), [&](int64_t a, int64_t b) {
    return indices[static_cast<size_t>(a)] < indices[static_cast<size_t>(b)];
  });
  for (size_t i = 0; i < members_.size(); ++i) {
    const int64_t table_row = indices[static_cast<size_t>(members_[i])];
    if (!table_rows_.empty() && table_rows_.back() == table_row) continue;
    table_rows_.push_back(table_row);
    begin_.push_back(static_cast<int64_t>(i));
  }
  begin_.push_back(static_cast<int64_t>(members_.size()));
}

void GroupedRows::sum(const float* rows, int64_t width, bool at_table_row, float* out) const {
  // Split by columns too: all rows may be one group.
  constexpr int64_t kColumns = 128;
  const int64_t blocks = (width + kColumns - 1) / kColumns;
  const auto groups = static_cast<int64_t>(table_rows_.size());
  kernels::parallel_tasks(groups * blocks, [&](int64_t task, int) {
    const auto group = static_cast<size_t>(task / blocks);
    const int64_t first = task % blocks * kColumns, columns = std::min(kColumns, width - first);
    float* sum = out + (at_table_row ? table_rows_[group] : task / blocks) * width + first;
    const auto member = [&](int64_t i) { return rows + members_[static_cast<size_t>(i)] * width + first; };
    std::copy_n(member(begin_[group]), columns, sum);
    for (int64_t i = begin_[group] + 1; i < begin_[group + 1]; ++i) {
      const float* row = member(i);
      for (int64_t c = 0; c < columns; ++c) sum[c] += row[c];
    }
  });
}

}  // namespace vcas::ops
