#include "vcas/training/loop/task.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace vcas::training {
namespace task_test {

struct PlainBatch final : nn::Batch {};

PlainBatch batch_of(const std::vector<data::Visit>& visits) {
  PlainBatch batch;
  set_visits(batch, visits);
  return batch;
}

TEST(SetVisits, NamesTheExamples) {
  const auto batch = batch_of({{.example = 17}, {.example = 4, .visit = 2}});
  EXPECT_EQ(batch.examples, (std::vector<int64_t>{17, 4}));
  EXPECT_EQ(list_examples(batch), "17, 4");
}

TEST(SetVisits, LeavesWeightsOutWhereAllAreOne) {
  EXPECT_TRUE(batch_of({{.example = 1}, {.example = 2}}).weights.empty());
  EXPECT_EQ(batch_of({{.example = 1}, {.example = 2, .weight = 0.5}}).weights, (std::vector<double>{1, 0.5}));
}

}  // namespace task_test
}  // namespace vcas::training
