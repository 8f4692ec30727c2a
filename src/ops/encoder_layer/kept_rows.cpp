#include "kept_rows.h"

#include <numeric>
#include <span>

#include "vcas/sampling/host.h"

namespace vcas::ops {

KeptRows::KeptRows(const at::Tensor& offsets, bool first_row_only) : first_row_only_(first_row_only) {
  samples_.resize(static_cast<size_t>(offsets.numel()) - 1);
  std::iota(samples_.begin(), samples_.end(), 0);
  add_rows(offsets.const_data_ptr<int64_t>(), {});
}

KeptRows::KeptRows(const at::Tensor& norms, const sampling::BlockPlan& plan, const at::Tensor& offsets,
                   bool first_row_only)
    : first_row_only_(first_row_only) {
  const std::span<const double> weights(norms.const_data_ptr<double>(), norms.numel());
  auto draw = sampling::draw(weights, plan.sample_count, plan.draw_method,
                             plan.stream.at(sampling::Site::sample_activation));
  samples_ = std::move(draw.indices);
  everything_ = static_cast<int64_t>(samples_.size()) == norms.numel();
  add_rows(offsets.const_data_ptr<int64_t>(), draw.scales);
}

void KeptRows::add_rows(const int64_t* offsets, const std::vector<double>& scales) {
  for (size_t i = 0; i < samples_.size(); ++i) {
    const int64_t begin = offsets[samples_[i]], end = offsets[samples_[i] + 1];
    const auto length = static_cast<double>(end - begin);
    const int64_t queries = first_row_only_ ? 1 : end - begin;
    compact_begin_.push_back(count());
    first_rows_.push_back(begin);
    for (int64_t row = begin; row < end; ++row) rows_.push_back(row);
    if (!scales.empty()) query_scale_.insert(query_scale_.end(), queries, static_cast<float>(scales[i]));
    work_.rows += length;
    work_.query_rows += static_cast<double>(queries);
    work_.pairs += static_cast<double>(queries) * length;
  }
}

}  // namespace vcas::ops
