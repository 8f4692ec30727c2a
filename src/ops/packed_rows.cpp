#include "packed_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/where.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

namespace vcas::ops {
namespace {

std::vector<int64_t> sample_lengths(const at::Tensor& offsets) {
  const auto* begin = offsets.const_data_ptr<int64_t>();
  std::vector<int64_t> lengths(offsets.numel() - 1);
  for (size_t i = 0; i < lengths.size(); ++i) lengths[i] = begin[i + 1] - begin[i];
  return lengths;
}

}  // namespace

int64_t row_capacity(const at::Tensor& offsets, int64_t count) {
  auto lengths = sample_lengths(offsets);
  std::partial_sort(lengths.begin(), lengths.begin() + count, lengths.end(), std::greater<>());
  return std::accumulate(lengths.begin(), lengths.begin() + count, int64_t{0});
}

int64_t longest_sample(const at::Tensor& offsets) {
  const auto lengths = sample_lengths(offsets);
  return *std::max_element(lengths.begin(), lengths.end());
}

PackedRows rows_of_samples(const at::Tensor& offsets, const at::Tensor& kept, int64_t capacity) {
  const auto options = kept.options().dtype(at::kLong);
  const int64_t count = kept.numel();
  PackedRows rows;
  rows.sample_used = kept.ge(0);
  rows.sample = kept.clamp_min(0);
  const auto begins = offsets.narrow(0, 0, offsets.numel() - 1).to(kept.device(), /*non_blocking=*/true);
  const auto ends = offsets.narrow(0, 1, offsets.numel() - 1).to(kept.device(), /*non_blocking=*/true);
  rows.first_row = begins.index_select(0, rows.sample);
  const auto lengths = (ends - begins).index_select(0, rows.sample) * rows.sample_used;
  const auto compact_end = lengths.cumsum(0);
  const auto compact_begin = compact_end - lengths;

  const auto compact = at::arange(capacity, options);
  rows.slot =
      at::searchsorted(compact_end, compact, /*out_int32=*/false, /*right=*/true).clamp_max(count - 1);
  rows.used = compact.lt(compact_end.narrow(0, count - 1, 1));
  rows.position = (compact - compact_begin.index_select(0, rows.slot)) * rows.used;
  rows.source_row = (rows.first_row.index_select(0, rows.slot) + rows.position) * rows.used;

  const auto positions = at::arange(longest_sample(offsets), options).unsqueeze(0);
  rows.valid = positions.lt(lengths.unsqueeze(1));
  rows.row_of = (compact_begin.unsqueeze(1) + positions) * rows.valid;
  return rows;
}

}  // namespace vcas::ops
