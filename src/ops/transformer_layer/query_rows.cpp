#include "query_rows.h"

#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <numeric>

#include "arguments.h"
#include "sampling/norms.h"

namespace vcas::ops {

QueryRows::QueryRows(const at::Tensor& offsets, const at::Tensor& rows) : offsets_(offsets) {
  const auto* begin = offsets.const_data_ptr<int64_t>();
  if (!rows.defined() || rows.numel() == begin[offsets.numel() - 1]) return;
  rows_ = rows;
  offsets_ = at::empty_like(offsets);
  auto* of_queries = offsets_.mutable_data_ptr<int64_t>();
  const auto *first = rows.const_data_ptr<int64_t>(), *end = first + rows.numel();
  const auto* row = first;
  for (int64_t i = 0; i < offsets.numel(); ++i) {
    row = std::lower_bound(row, end, begin[i]);
    of_queries[i] = row - first;
  }
}

bool QueryRows::one_a_sample() const {
  int64_t expected = 0;
  return std::all_of(offsets(), offsets() + offsets_.numel(),
                     [&](int64_t offset) { return offset == expected++; });
}

double attention_pairs(const QueryRows& queries, int64_t sample, int64_t first_row, int64_t length,
                       bool causal) {
  const int64_t first = queries.offsets()[sample], end = queries.offsets()[sample + 1];
  if (!causal) return static_cast<double>(end - first) * static_cast<double>(length);
  double pairs = 0;
  for (int64_t q = first; q < end; ++q) pairs += static_cast<double>(queries.row(q) - first_row + 1);
  return pairs;
}

at::Tensor norms_over_queries(const at::Tensor& row_norms, const QueryRows& queries) {
  return queries.one_a_sample() ? row_norms : sampling::sample_norms(row_norms, queries.offset_tensor());
}

int64_t first_score(const TransformerLayerArguments& arguments, int64_t weight) {
  int64_t first = 0;
  for (int64_t i = 0; i < weight; ++i) first += arguments.rows_of(i);
  return first;
}

TransformerLayerRows transformer_layer_rows(const at::Tensor& offsets, const at::Tensor& query_rows) {
  const QueryRows queries(offsets, query_rows);
  TransformerLayerRows rows;
  rows.samples = offsets.numel() - 1;
  for (int64_t weight = 0; weight < kTransformerWeights; ++weight) {
    const auto* begin = runs_on_query_rows(weight) ? queries.offsets() : offsets.const_data_ptr<int64_t>();
    rows.weight_offsets.emplace_back(begin, begin + offsets.numel());
    rows.weight_rows.push_back(rows.weight_offsets.back().back());
  }
  return rows;
}

int64_t TransformerLayerRows::score_count() const {
  return std::accumulate(weight_rows.begin(), weight_rows.end(), int64_t{0});
}

}  // namespace vcas::ops
