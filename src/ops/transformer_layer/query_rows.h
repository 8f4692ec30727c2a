#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vcas::ops {

/// Which rows of a packed batch are query rows, and where each sample's lie among them.
class QueryRows {
 public:
  /// @param offsets [N+1] int64 CPU. @param rows [Q] int64 CPU, ascending; undefined, or all of them: rows()
  /// is null.
  QueryRows(const at::Tensor& offsets, const at::Tensor& rows);

  /// Row of the batch behind each query row; null: the same.
  const int64_t* rows() const { return rows_.defined() ? rows_.const_data_ptr<int64_t>() : nullptr; }
  int64_t row(int64_t query) const { return rows_.defined() ? rows()[query] : query; }
  /// [N+1]: sample i owns query rows offsets()[i]..offsets()[i+1]-1.
  const int64_t* offsets() const { return offsets_.const_data_ptr<int64_t>(); }
  const at::Tensor& offset_tensor() const { return offsets_; }
  /// Whether each sample has one.
  bool one_a_sample() const;

 private:
  at::Tensor rows_, offsets_;
};

/// Pairs of a sample's query rows and the rows that each attends to, for counting operations.
/// @param first_row, length of the sample in the batch.
double attention_pairs(const QueryRows& queries, int64_t sample, int64_t first_row, int64_t length,
                       bool causal);

}  // namespace vcas::ops
