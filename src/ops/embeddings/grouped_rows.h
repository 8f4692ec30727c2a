#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vcas::ops {

/// Rows of a batch grouped by the table row that they took.
class GroupedRows {
 public:
  explicit GroupedRows(std::span<const int64_t> indices);

  /// The table rows that occur, ascending.
  const std::vector<int64_t>& table_rows() const { return table_rows_; }

  /// out[g] = Σ of the rows of group g, in ascending order whatever the threads.
  /// @param rows [R, width] @param out row g lies at out + offset(g)·width.
  /// @param at_table_row offset(g) is the group's table row, else g.
  void sum(const float* rows, int64_t width, bool at_table_row, float* out) const;

 private:
  std::vector<int64_t> table_rows_;
  std::vector<int64_t> begin_;  ///< of each group in members_, and the end
  std::vector<int64_t> members_;
};

}  // namespace vcas::ops
