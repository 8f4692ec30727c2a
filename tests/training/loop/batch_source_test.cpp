#include "vcas/training/loop/batch_source.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "training/block_task.h"
#include "vcas/training/loop/trainer.h"
#include "vcas/training/methods/exact.h"

namespace vcas::training {
namespace batch_source_test {

using nn::testing::FakeBatch;
using testing::BlockTask;

TrainOptions options_of(int64_t batch_size) {
  TrainOptions options;
  options.per_device_train_batch_size = batch_size;
  options.seed = 7;
  return options;
}

/// Positions of a run from its start.
std::vector<MicroBatchPosition> positions(int64_t count, int64_t per_epoch) {
  std::vector<MicroBatchPosition> result;
  for (int64_t number = 0; number < count; ++number)
    result.push_back({number / per_epoch, number % per_epoch, number});
  return result;
}

const FakeBatch& fake(const std::unique_ptr<nn::Batch>& batch) {
  return static_cast<const FakeBatch&>(*batch);
}

void expect_equal(const std::unique_ptr<nn::Batch>& a, const std::unique_ptr<nn::Batch>& b) {
  EXPECT_EQ(a->examples, b->examples);
  EXPECT_EQ(a->weights, b->weights);
  EXPECT_TRUE(at::equal(a->offsets, b->offsets));
  EXPECT_TRUE(at::equal(fake(a).rows, fake(b).rows));
}

/// Takes every second example, with a weight that a training step changes.
class SelectingMethod final : public Method {
 public:
  std::string_view name() const override { return "selecting"; }
  std::vector<data::Visit> select(std::vector<data::Visit> visits) override {
    std::vector<data::Visit> chosen;
    for (size_t i = 0; i < visits.size(); i += 2)
      chosen.push_back({visits[i].example, visits[i].visit, weight_});
    return chosen;
  }
  bool selects() const override { return true; }
  MicroBatchGradient backward(MicroBatch& batch, double loss_scale) override {
    weight_ += 1;
    auto result = batch.pass.backward({.loss_scale = loss_scale});
    return {std::move(result.gradients), result.flops, 0};
  }

 private:
  double weight_ = 1;
};

TEST(BatchSource, BatchesMadeAheadAreThoseMadeWhenAskedFor) {
  const BlockTask task(30);
  ExactMethod method;
  BatchSource ahead(task, method, options_of(4)), on_demand(task, method, options_of(4));
  const auto all = positions(20, ahead.batches_per_epoch());
  for (size_t i = 0; i + 1 < all.size(); ++i)
    expect_equal(ahead.take(all[i], all[i + 1]), on_demand.take(all[i]));
}

TEST(BatchSource, MakesABatchAheadOnce) {
  const BlockTask task(30);
  ExactMethod method;
  {
    BatchSource source(task, method, options_of(4));
    const auto all = positions(6, source.batches_per_epoch());
    for (size_t i = 0; i + 1 < all.size(); ++i) source.take(all[i], all[i + 1]);
  }
  EXPECT_EQ(task.batches_made(), 6);
}

TEST(BatchSource, WhatWasMadeForAnotherPositionIsNotUsed) {
  const BlockTask task(30);
  ExactMethod method;
  BatchSource source(task, method, options_of(4)), other(task, method, options_of(4));
  source.take({0, 0, 0}, MicroBatchPosition{0, 5, 5});
  expect_equal(source.take({0, 1, 1}), other.take({0, 1, 1}));
}

TEST(BatchSource, AMethodThatSelectsIsNeverAhead) {
  const BlockTask task(30);
  SelectingMethod method;
  BatchSource source(task, method, options_of(4));
  source.take({0, 0, 0}, MicroBatchPosition{0, 1, 1});
  EXPECT_EQ(task.batches_made(), 1);
}

TEST(BatchSource, AMethodSelectsByWhatTheStepBeforeTaughtIt) {
  BlockTask task(30);
  SelectingMethod method;
  auto options = options_of(4);
  options.max_steps = 10;
  BatchSource source(task, method, options);
  Trainer trainer(options, task, method);
  EXPECT_TRUE(source.take({0, 0, 0}, MicroBatchPosition{0, 1, 1})->weights.empty()) << "all are 1";
  trainer.step();
  const auto batch = source.take({0, 1, 1});
  EXPECT_EQ(batch->weights, (std::vector<double>{2, 2}));
  ExactMethod exact;
  const auto whole = BatchSource(task, exact, options).take({0, 1, 1});
  EXPECT_EQ(batch->examples, (std::vector<int64_t>{whole->examples[0], whole->examples[2]}));
}

TEST(BatchSource, TheVisitOfAnExampleIsItsEpoch) {
  const BlockTask task(8);
  ExactMethod method;
  BatchSource source(task, method, options_of(8));
  const auto first = source.take({0, 0, 0}), second = source.take({1, 0, 1});
  // The row of example 0, which has one.
  const auto row_of = [](const std::unique_ptr<nn::Batch>& batch) {
    const auto place = std::find(batch->examples.begin(), batch->examples.end(), 0) - batch->examples.begin();
    return fake(batch).rows[batch->offsets[place].item<int64_t>()];
  };
  EXPECT_TRUE(at::equal(row_of(first), nn::testing::fake_values({1, 6}, 0.0001 * 7)[0] * 3));
  EXPECT_TRUE(at::equal(row_of(second), nn::testing::fake_values({1, 6}, 0.01 + 0.0001 * 7)[0] * 3));
}

TEST(BatchSource, ASmallerBatchIsNotOfFullSize) {
  const BlockTask task(10);
  ExactMethod method;
  BatchSource source(task, method, options_of(4));
  ASSERT_EQ(source.batches_per_epoch(), 3);
  EXPECT_TRUE(source.is_full_size({0, 0, 0}));
  EXPECT_FALSE(source.is_full_size({0, 2, 2}));
}

TEST(BatchSource, ShardsTakeTheBatchesOfAnEpochInTurn) {
  const BlockTask task(24);
  ExactMethod method;
  BatchSource whole(task, method, options_of(4));
  for (const int64_t rank : {0, 1, 2}) {
    BatchSource shard(task, method, options_of(4), {rank, 3});
    ASSERT_EQ(shard.batches_per_epoch(), 2);
    for (const int64_t index : {0, 1}) {
      const int64_t of_whole = 3 * index + rank;
      expect_equal(shard.take({0, index, index}), whole.take({0, of_whole, of_whole}));
    }
  }
}

TEST(BatchSource, GroupsByLengthWhereTheOptionsSaySo) {
  const BlockTask task(32);
  ExactMethod method;
  auto options = options_of(8);
  options.train_sampling_strategy = SamplingStrategy::group_by_length;
  BatchSource source(task, method, options);
  for (int64_t index = 0; index < 4; ++index) {
    const auto lengths = source.take({0, index, index})->offsets.diff();
    EXPECT_EQ(lengths.min().item<int64_t>(), lengths.max().item<int64_t>());
  }
}

}  // namespace batch_source_test
}  // namespace vcas::training
