#include "kept_rows.h"

#include <numeric>
#include <span>

#include "sampling/host.h"

namespace vcas::ops {

KeptRows::KeptRows(const at::Tensor& offsets, const QueryRows& queries, bool causal)
    : all_queries_(queries.rows() == nullptr) {
  samples_.resize(static_cast<size_t>(offsets.numel()) - 1);
  std::iota(samples_.begin(), samples_.end(), 0);
  add_rows(offsets.const_data_ptr<int64_t>(), queries, causal, {});
}

KeptRows::KeptRows(const at::Tensor& norms, const sampling::BlockPlan& plan, const at::Tensor& offsets,
                   const QueryRows& queries, bool causal)
    : all_queries_(queries.rows() == nullptr) {
  const std::span<const double> weights(norms.const_data_ptr<double>(), norms.numel());
  auto draw = sampling::draw(weights, plan.sample_count, plan.draw_method,
                             plan.stream.at(sampling::Site::sample_activation));
  samples_ = std::move(draw.indices);
  everything_ = static_cast<int64_t>(samples_.size()) == norms.numel();
  add_rows(offsets.const_data_ptr<int64_t>(), queries, causal, draw.scales);
}

void KeptRows::add_rows(const int64_t* offsets, const QueryRows& queries, bool causal,
                        const std::vector<double>& scales) {
  for (size_t i = 0; i < samples_.size(); ++i) {
    const int64_t sample = samples_[i], begin = offsets[sample], end = offsets[sample + 1];
    const int64_t first_query = queries.offsets()[sample], end_query = queries.offsets()[sample + 1];
    compact_begin_.push_back(count());
    first_rows_.push_back(begin);
    for (int64_t row = begin; row < end; ++row) rows_.push_back(row);
    for (int64_t query = first_query; !all_queries_ && query < end_query; ++query) {
      query_rows_.push_back(query);
      query_source_rows_.push_back(queries.row(query));
      query_compact_rows_.push_back(compact_begin_.back() + queries.row(query) - begin);
    }
    if (!scales.empty())
      query_scale_.insert(query_scale_.end(), end_query - first_query, static_cast<float>(scales[i]));
    work_.rows += static_cast<double>(end - begin);
    work_.query_rows += static_cast<double>(end_query - first_query);
    work_.pairs += attention_pairs(queries, sample, begin, end - begin, causal);
  }
}

}  // namespace vcas::ops
