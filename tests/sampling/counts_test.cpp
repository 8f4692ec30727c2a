#include "vcas/sampling/counts.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <vector>

namespace vcas::sampling {
namespace counts_test {

const BlockRows kRows = {4, {10, 4, 0}};

SamplingPlan plan(double rho, std::vector<double> nu) {
  SamplingPlan result;
  result.sampled = true;
  result.draw_method = DrawMethod::bernoulli;
  result.draw_number = 3;
  result.sample_keep_ratio = {1, rho};
  result.row_keep_ratio = {{1, 1, 1}, std::move(nu)};
  return result;
}

TEST(BlockCounts, AreOfKeptSamplesThenOfTheirRows) {
  const auto counts = block_counts(0.7, {0.5, 0.1, 0.5}, kRows);
  EXPECT_EQ(counts.samples, 3);                                  // round(.7·4)
  EXPECT_EQ(counts.available, (std::vector<int64_t>{8, 3, 0}));  // round(.75·10), round(.75·4)
  EXPECT_EQ(counts.kept, (std::vector<int64_t>{4, 1, BlockPlan::kAllRows}));
}

TEST(BlockCounts, KeepAtLeastOneAndAllRowsAtOne) {
  EXPECT_EQ(block_counts(0, {1e-9, 1, 1}, kRows).samples, 1);
  EXPECT_EQ(block_counts(0, {1e-9, 1, 1}, kRows).kept,
            (std::vector<int64_t>{1, BlockPlan::kAllRows, BlockPlan::kAllRows}));
  EXPECT_THROW(block_counts(0.5, {1, 1}, kRows), c10::Error);
}

TEST(BlockCounts, OfAvailableRowsRoundHalvesUp) {
  EXPECT_EQ(available_rows(3, 4, 6), 5);  // 4.5
  EXPECT_EQ(available_rows(1, 32, 3), 1);
  EXPECT_EQ(available_rows(1, 32, 0), 0);
}

TEST(BlockPlanOfAPlan, HoldsTheCountsOfItsBlock) {
  const auto block = block_plan(plan(0.7, {0.5, 1, 1}), 1, kRows, {.seed = 5, .micro_batch = 6, .layer = 1});
  EXPECT_TRUE(block.sampled);
  EXPECT_EQ(block.draw_method, DrawMethod::bernoulli);
  EXPECT_EQ(block.stream.seed, 5U);
  EXPECT_EQ(block.stream.draw, 3U);
  EXPECT_EQ(block.sample_count, 3);
  EXPECT_EQ(block.row_counts, (std::vector<int64_t>{4, BlockPlan::kAllRows, BlockPlan::kAllRows}));
}

TEST(BlockPlanOfAPlan, IsExactWhereNothingIsLeftOut) {
  EXPECT_FALSE(block_plan({}, 0, kRows, {}).sampled);
  EXPECT_FALSE(block_plan(plan(0.95, {1, 1, 1}), 1, kRows, {}).sampled) << "round(.95·4) keeps all";
  EXPECT_TRUE(block_plan(plan(1, {0.99, 1, 1}), 1, kRows, {}).sampled);
  EXPECT_EQ(block_plan({}, 7, kRows, {}).sample_count, 4);
}

TEST(BlockPlanOfAPlan, RefusesABlockThatThePlanDoesNotHave) {
  EXPECT_THROW(block_plan(plan(0.5, {1, 1, 1}), 2, kRows, {}), c10::Error);
}

}  // namespace counts_test
}  // namespace vcas::sampling
