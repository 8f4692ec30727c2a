#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "arguments.h"
#include "query_rows.h"

namespace vcas::ops {

/// The samples that SampleA keeps and their rows, as host lists for the CPU kernels: no unused slots.
class KeptRows {
 public:
  /// All samples. @param queries of the batch. @param causal for counting pairs.
  KeptRows(const at::Tensor& offsets, const QueryRows& queries, bool causal);
  /// Those that a plan's draw keeps.
  /// @param norms [N] float64 CPU, of the gradient that arrives. @param plan sampled.
  KeptRows(const at::Tensor& norms, const sampling::BlockPlan& plan, const at::Tensor& offsets,
           const QueryRows& queries, bool causal);

  const std::vector<int64_t>& samples() const { return samples_; }
  /// Row of the batch of each compact row.
  const std::vector<int64_t>& rows() const { return rows_; }
  int64_t count() const { return static_cast<int64_t>(rows_.size()); }
  /// First row in the batch of each kept sample.
  const std::vector<int64_t>& first_rows() const { return first_rows_; }
  /// Compact row at which each kept sample begins.
  const std::vector<int64_t>& compact_begin() const { return compact_begin_; }

  /// Whether every row is a query row; the lists of query rows are those of rows then.
  bool all_queries() const { return all_queries_; }
  /// Row, in tensors of query rows, of each compact query row.
  const std::vector<int64_t>& query_rows() const { return all_queries_ ? rows_ : query_rows_; }
  /// Row of the batch of each compact query row.
  const std::vector<int64_t>& query_source_rows() const { return all_queries_ ? rows_ : query_source_rows_; }
  /// Compact row of each compact query row. Only without all_queries().
  const std::vector<int64_t>& query_compact_rows() const { return query_compact_rows_; }
  int64_t query_count() const { return static_cast<int64_t>(query_rows().size()); }
  const int64_t* query_index() const { return query_rows().data(); }
  /// 1/p of each compact query row; null when nothing is scaled.
  const float* query_scale() const { return query_scale_.empty() ? nullptr : query_scale_.data(); }

  /// Empty norms of as many compact (query) rows.
  std::vector<double> norms() const { return std::vector<double>(rows_.size()); }
  std::vector<double> query_norms() const { return std::vector<double>(query_rows().size()); }

  bool is_everything() const { return everything_; }
  const TransformerLayerWork& work() const { return work_; }

 private:
  void add_rows(const int64_t* offsets, const QueryRows& queries, bool causal,
                const std::vector<double>& scales);

  bool all_queries_;
  bool everything_ = true;
  std::vector<int64_t> samples_, rows_, first_rows_, compact_begin_;
  std::vector<int64_t> query_rows_, query_source_rows_, query_compact_rows_;
  std::vector<float> query_scale_;
  TransformerLayerWork work_;
};

}  // namespace vcas::ops
