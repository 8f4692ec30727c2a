#include "vcas/nn/recording.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "nn/fake_model.h"

namespace vcas::nn {
namespace recording_test {

using sampling::BlockPlan;
using testing::FakeBlock;
using testing::RowsOf;

/// Two blocks over three samples of 4, 2 and 2 rows.
Recording recorded(const PassOptions& options = {}) {
  Recording recording(options);
  const auto batch = testing::fake_batch({4, 2, 2});
  testing::FakeBlockOptions several;
  several.weights = {{"rows"}, {"pairs", RowsOf::pairs_of_rows}, {"samples", RowsOf::samples}};
  FakeBlock first({}), second(several);
  second.forward(first.forward(batch.rows, batch.offsets, recording), batch.offsets, recording);
  return recording;
}

std::string message_of(Recording& recording, const sampling::SamplingPlan& plan) {
  try {
    recording.write(plan);
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "accepted";
}

TEST(Recording, WritesTheCountsOfEachBlock) {
  auto recording = recorded({.seed = 11, .micro_batch = 5});
  sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.draw_method = sampling::DrawMethod::bernoulli;
  plan.draw_number = 3;
  plan.sample_keep_ratio = {1.0 / 3, 2.0 / 3};
  plan.row_keep_ratio = {{1}, {0.5, 1, 0.5}};
  recording.write(plan);
  const auto first = sampling::read_plan(recording.blocks()[0].plan);
  const auto second = sampling::read_plan(recording.blocks()[1].plan);
  EXPECT_TRUE(first.sampled && second.sampled);
  EXPECT_EQ(first.sample_count, 1);
  EXPECT_EQ(first.row_counts, (std::vector<int64_t>{BlockPlan::kAllRows}));
  EXPECT_EQ(second.sample_count, 2);
  // Of 8, 4 and 3 rows two thirds are left: 5, 3 and 2, of which half are kept.
  EXPECT_EQ(second.row_counts, (std::vector<int64_t>{3, BlockPlan::kAllRows, 1}));
  EXPECT_EQ(second.draw_method, sampling::DrawMethod::bernoulli);
  EXPECT_EQ(second.stream.seed, 11U);
  EXPECT_EQ(second.stream.micro_batch, 5U);
  EXPECT_EQ(second.stream.layer, 1U);
  EXPECT_EQ(second.stream.draw, 3U);
}

TEST(Recording, AnExactPlanLeavesNothingOfTheLastOne) {
  auto recording = recorded();
  sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.sample_keep_ratio = {0.5, 0.5};
  plan.row_keep_ratio = {{1}, {1, 1, 1}};
  recording.write(plan);
  recording.write({});
  for (const auto& block : recording.blocks()) EXPECT_FALSE(sampling::read_plan(block.plan).sampled);
}

TEST(Recording, RefusesRatiosOfAnotherNumberOfBlocks) {
  auto recording = recorded();
  sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.sample_keep_ratio = {0.5};
  plan.row_keep_ratio = {{1}};
  EXPECT_EQ(message_of(recording, plan), "plan: expected keep ratios of 2 blocks, got 1 and 1");
}

TEST(Recording, RefusesRatiosOfAnotherNumberOfWeights) {
  auto recording = recorded();
  sampling::SamplingPlan plan;
  plan.sampled = true;
  plan.sample_keep_ratio = {0.5, 0.5};
  plan.row_keep_ratio = {{1}, {1, 1}};
  EXPECT_EQ(message_of(recording, plan), "plan: expected 3 row keep ratios, got 2");
}

TEST(Recording, NumbersTheStreamOfEachBlock) {
  Recording recording({.seed = 1, .micro_batch = 2});
  EXPECT_EQ(recording.next_stream().layer, 0U);
  recording.add({});
  EXPECT_EQ(recording.next_stream().layer, 1U);
  EXPECT_EQ(recording.next_stream().micro_batch, 2U);
}

}  // namespace recording_test
}  // namespace vcas::nn
