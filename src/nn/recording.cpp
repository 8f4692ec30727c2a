#include "vcas/nn/recording.h"

#include <c10/util/Exception.h>

#include <utility>

namespace vcas::nn {

sampling::StreamKey PassOptions::stream() const {
  sampling::StreamKey stream;
  stream.seed = seed;
  stream.micro_batch = static_cast<uint32_t>(micro_batch);
  return stream;
}

sampling::StreamKey Recording::next_stream() const {
  auto stream = options_.stream();
  stream.layer = static_cast<uint32_t>(blocks_.size());
  return stream;
}

BlockRecord& Recording::add(BlockRecord record) {
  blocks_.push_back(std::move(record));
  return blocks_.back();
}

std::vector<sampling::BlockRows> Recording::rows() const {
  std::vector<sampling::BlockRows> rows;
  rows.reserve(blocks_.size());
  for (const auto& block : blocks_) rows.push_back(block.rows);
  return rows;
}

void Recording::write(const sampling::SamplingPlan& plan) {
  TORCH_CHECK(!plan.sampled || (plan.sample_keep_ratio.size() == blocks_.size() &&
                                plan.row_keep_ratio.size() == blocks_.size()),
              "plan: expected keep ratios of ", blocks_.size(), " blocks, got ",
              plan.sample_keep_ratio.size(), " and ", plan.row_keep_ratio.size());
  for (size_t i = 0; i < blocks_.size(); ++i)
    sampling::write_plan(sampling::block_plan(plan, i, blocks_[i].rows, blocks_[i].stream), blocks_[i].plan);
}

}  // namespace vcas::nn
