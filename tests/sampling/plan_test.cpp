#include "vcas/sampling/plan.h"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>

namespace vcas::sampling {
namespace plan_test {

TEST(PlanTensor, RoundTripsEveryField) {
  const BlockPlan plan{
      .sampled = true,
      .draw_method = DrawMethod::bernoulli,
      .stream = {.seed = 0xFFFFFFFFFFFFFFFFu, .micro_batch = 0xFFFFFFFFu, .layer = 7, .draw = 5},
      .sample_count = 17,
      .row_counts = {100, BlockPlan::kAllRows, 1}};
  at::Tensor tensor = make_plan_tensor(3);
  write_plan(plan, tensor);
  const BlockPlan back = read_plan(tensor);
  EXPECT_EQ(back.sampled, plan.sampled);
  EXPECT_EQ(back.draw_method, plan.draw_method);
  EXPECT_EQ(back.stream.seed, plan.stream.seed);
  EXPECT_EQ(back.stream.micro_batch, plan.stream.micro_batch);
  EXPECT_EQ(back.stream.layer, plan.stream.layer);
  EXPECT_EQ(back.stream.draw, plan.stream.draw);
  EXPECT_EQ(back.sample_count, plan.sample_count);
  EXPECT_EQ(back.row_counts, plan.row_counts);
}

TEST(PlanTensor, IsWrittenInPlace) {
  at::Tensor tensor = make_plan_tensor(1);
  const void* storage = tensor.const_data_ptr();
  write_plan({.sampled = true, .stream = {}, .sample_count = 2, .row_counts = {3}}, tensor);
  write_plan({.sampled = false, .stream = {}, .sample_count = 4, .row_counts = {5}}, tensor);
  EXPECT_EQ(tensor.const_data_ptr(), storage);
  EXPECT_FALSE(read_plan(tensor).sampled);
  EXPECT_EQ(read_plan(tensor).sample_count, 4);
}

TEST(PlanTensor, FreshOneMeansExact) { EXPECT_FALSE(read_plan(make_plan_tensor(4)).sampled); }

TEST(PlanTensor, RefusesWhatIsNoPlan) {
  EXPECT_THROW(read_plan(at::Tensor()), c10::Error);
  EXPECT_THROW(read_plan(at::zeros({6}, at::kLong)), c10::Error);
  EXPECT_THROW(read_plan(at::zeros({8}, at::kInt)), c10::Error);
  EXPECT_THROW(read_plan(at::zeros({16}, at::kLong).slice(0, 0, 16, 2)), c10::Error);
  at::Tensor small = make_plan_tensor(1);
  EXPECT_THROW(write_plan({.stream = {}, .row_counts = {1, 2}}, small), c10::Error);
  small[1] = 9;
  EXPECT_THROW(read_plan(small), c10::Error);
}

TEST(CountFromRatio, RoundsAndStaysWithinOneAndTotal) {
  EXPECT_EQ(count_from_ratio(0.5, 32), 16);
  EXPECT_EQ(count_from_ratio(0.49, 3), 1);
  EXPECT_EQ(count_from_ratio(0.51, 3), 2);
  EXPECT_EQ(count_from_ratio(0.001, 32), 1);
  EXPECT_EQ(count_from_ratio(0, 32), 1);
  EXPECT_EQ(count_from_ratio(1, 32), 32);
  EXPECT_EQ(count_from_ratio(1.5, 32), 32);
  EXPECT_EQ(count_from_ratio(0.3, 1), 1);
  EXPECT_THROW(count_from_ratio(0.5, 0), c10::Error);
  EXPECT_THROW(count_from_ratio(std::numeric_limits<double>::quiet_NaN(), 4), c10::Error);
}

}  // namespace plan_test
}  // namespace vcas::sampling
