#include "vcas/nn/recording.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

namespace vcas::nn {

sampling::StreamKey Recording::next_stream() const {
  auto stream = stream_;
  stream.layer = static_cast<uint32_t>(blocks_.size());
  return stream;
}

BlockRecord& Recording::add(BlockRecord record) {
  blocks_.push_back(std::move(record));
  return blocks_.back();
}

void Recording::write(const sampling::SamplingPlan& plan) {
  TORCH_CHECK(!plan.sampled || (plan.sample_keep_ratio.size() == blocks_.size() &&
                                plan.row_keep_ratio.size() == blocks_.size()),
              "plan: expected keep ratios of ", blocks_.size(), " blocks, got ",
              plan.sample_keep_ratio.size(), " and ", plan.row_keep_ratio.size());
  for (size_t i = 0; i < blocks_.size(); ++i)
    sampling::write_plan(block_plan(plan, i, blocks_[i]), blocks_[i].plan);
}

sampling::BlockPlan block_plan(const sampling::SamplingPlan& plan, size_t block, const BlockRecord& record) {
  sampling::BlockPlan result;
  result.stream = record.stream;
  result.stream.draw = static_cast<uint32_t>(plan.draw_number);
  result.draw_method = plan.draw_method;
  result.sample_count = record.samples;
  result.row_counts.assign(record.linear_rows.size(), sampling::BlockPlan::kAllRows);
  if (!plan.sampled) return result;

  result.sampled = true;
  result.sample_count = sampling::count_from_ratio(plan.sample_keep_ratio[block], record.samples);
  const double kept_share = static_cast<double>(result.sample_count) / static_cast<double>(record.samples);
  const auto& ratios = plan.row_keep_ratio[block];
  TORCH_CHECK(ratios.size() == record.linear_rows.size(), "plan: expected ", record.linear_rows.size(),
              " row keep ratios in block ", block, ", got ", ratios.size());
  for (size_t i = 0; i < ratios.size(); ++i) {
    if (ratios[i] >= 1) continue;
    const int64_t kept_rows = sampling::count_from_ratio(kept_share, record.linear_rows[i]);
    result.row_counts[i] = sampling::count_from_ratio(ratios[i], kept_rows);
  }
  const auto keeps_all = [](int64_t count) { return count == sampling::BlockPlan::kAllRows; };
  if (result.sample_count == record.samples &&
      std::all_of(result.row_counts.begin(), result.row_counts.end(), keeps_all))
    result.sampled = false;  // Nothing to decide: run as exact training does.
  return result;
}

}  // namespace vcas::nn
