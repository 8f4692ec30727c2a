#include "lazy_rows.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace vcas::training {
namespace {

using ops::kernels::AdamWRow;

void require_sparse_rows(const at::Tensor& gradient, const at::Tensor& param) {
  TORCH_CHECK(gradient.sparse_dim() == 1 && gradient.is_coalesced() && gradient.sizes() == param.sizes() &&
                  gradient.scalar_type() == at::kFloat,
              "AdamW: expected a coalesced float32 gradient of shape ", param.sizes(),
              " with one sparse dimension, got ", gradient.scalar_type(), " ", gradient.sizes(), " with ",
              gradient.sparse_dim());
}

}  // namespace

LazyRows::LazyRows(AdamWTensors tensors, size_t most_steps)
    : tensors_(std::move(tensors)),
      most_steps_(most_steps),
      steps_had_(static_cast<size_t>(tensors_.param.size(0)), 0) {}

void LazyRows::catch_up(const at::Tensor& rows) { give_missed_steps(checked_rows(rows)); }

void LazyRows::catch_up_all() {
  std::vector<int64_t> all(steps_had_.size());
  std::iota(all.begin(), all.end(), 0);
  give_missed_steps(all);
  std::fill(steps_had_.begin(), steps_had_.end(), 0);
  steps_.clear();
}

void LazyRows::step(const ops::kernels::AdamWOptions& options, const at::Tensor& gradient) {
  require_sparse_rows(gradient, tensors_.param);
  const auto touched = checked_rows(gradient.indices().view(-1));
  for (const int64_t row : touched) {
    const auto behind = static_cast<int64_t>(steps_.size()) - steps_had_[static_cast<size_t>(row)];
    TORCH_CHECK(behind == 0, "AdamW: expected row ", row,
                " to be caught up before it was read, got one that is ", behind, " steps behind");
  }
  if (steps_.size() >= most_steps_) catch_up_all();
  const auto now = static_cast<int64_t>(steps_.size());
  steps_.emplace_back(options);
  std::vector<AdamWRow> rows;
  for (const int64_t row : touched) {
    steps_had_[static_cast<size_t>(row)] = now + 1;
    rows.push_back({row, now});
  }
  const at::Tensor values = gradient.values().contiguous();
  ops::kernels::adamw_row_step(steps_.back(), rows_of(rows), values.const_data_ptr<float>());
}

std::span<const int64_t> LazyRows::checked_rows(const at::Tensor& rows) const {
  TORCH_CHECK(rows.is_cpu() && rows.scalar_type() == at::kLong && rows.is_contiguous(),
              "AdamW: expected rows as int64 on the CPU, got ", rows.scalar_type(), " on ", rows.device());
  const std::span values(rows.const_data_ptr<int64_t>(), static_cast<size_t>(rows.numel()));
  for (const int64_t row : values) {
    TORCH_CHECK(row >= 0 && row < tensors_.param.size(0), "AdamW: expected rows below ",
                tensors_.param.size(0), ", got ", row);
  }
  return values;
}

void LazyRows::give_missed_steps(std::span<const int64_t> rows) {
  const auto all = static_cast<int64_t>(steps_.size());
  std::vector<AdamWRow> behind;
  for (const int64_t row : rows) {
    const int64_t had = std::exchange(steps_had_[static_cast<size_t>(row)], all);
    if (had < all) behind.push_back({row, had});
  }
  ops::kernels::adamw_skipped_steps(steps_, rows_of(behind));
}

ops::kernels::AdamWRows LazyRows::rows_of(std::span<const AdamWRow> rows) const {
  return {rows, tensors_.param.size(1), tensors_.param.mutable_data_ptr<float>(),
          tensors_.exp_avg.mutable_data_ptr<float>(), tensors_.exp_avg_sq.mutable_data_ptr<float>()};
}

}  // namespace vcas::training
