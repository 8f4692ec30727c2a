#include "vcas/data/order.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <stdexcept>

namespace vcas::data {
namespace order_test {

struct Setting {
  std::vector<int64_t> lengths;
  OrderOptions options;
};

Setting any_setting() {
  Setting setting;
  setting.lengths =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(2, 40)));
  setting.options = {.seed = *rc::gen::arbitrary<uint64_t>(),
                     .batch_size = *rc::gen::inRange<int64_t>(1, 9),
                     .bucket_batches = *rc::gen::inRange<int64_t>(0, 6)};
  return setting;
}

std::vector<int64_t> epoch_examples(TrainingOrder& order, int64_t epoch) {
  std::vector<int64_t> examples;
  for (OrderPosition position{epoch, 0}; position.epoch == epoch; position = order.after(position)) {
    const auto batch = order.batch(position);
    examples.insert(examples.end(), batch.begin(), batch.end());
  }
  return examples;
}

std::vector<int64_t> counting(std::size_t count) {
  std::vector<int64_t> result(count);
  std::iota(result.begin(), result.end(), int64_t{0});
  return result;
}

RC_GTEST_PROP(TrainingOrder, MeetsEveryExampleOnceAnEpoch, ()) {
  const Setting setting = any_setting();
  TrainingOrder order(setting.lengths, setting.options);
  auto examples = epoch_examples(order, *rc::gen::inRange<int64_t>(0, 1000));
  std::ranges::sort(examples);
  RC_ASSERT(examples == counting(setting.lengths.size()));
}

RC_GTEST_PROP(TrainingOrder, OnlyTheLastBatchIsSmaller, ()) {
  const Setting setting = any_setting();
  TrainingOrder order(setting.lengths, setting.options);
  for (int64_t i = 0; i + 1 < order.batches_per_epoch(); ++i) {
    RC_ASSERT(static_cast<int64_t>(order.batch({3, i}).size()) == setting.options.batch_size);
  }
  RC_ASSERT(!order.batch({3, order.batches_per_epoch() - 1}).empty());
}

RC_GTEST_PROP(TrainingOrder, ResumesAnywhere, ()) {
  const Setting setting = any_setting();
  TrainingOrder whole(setting.lengths, setting.options);
  const auto steps = *rc::gen::inRange<int64_t>(0, 3 * whole.batches_per_epoch());
  OrderPosition position;
  for (int64_t i = 0; i < steps; ++i) {
    whole.batch(position);
    position = whole.after(position);
  }
  TrainingOrder resumed(setting.lengths, setting.options);
  for (int64_t i = 0; i < whole.batches_per_epoch() + 1; ++i) {
    RC_ASSERT(resumed.batch(position) == whole.batch(position));
    position = whole.after(position);
  }
}

RC_GTEST_PROP(TrainingOrder, BucketsHoldNeighboursInLength, ()) {
  Setting setting = any_setting();
  setting.options.bucket_batches = 1000;  // one window: batches are consecutive in the sorted lengths
  TrainingOrder order(setting.lengths, setting.options);
  const auto full = static_cast<int64_t>(setting.lengths.size()) / setting.options.batch_size;
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (int64_t i = 0; i < full; ++i) {
    std::vector<int64_t> lengths;
    for (const int64_t example : order.batch({0, i}))
      lengths.push_back(setting.lengths[static_cast<std::size_t>(example)]);
    ranges.emplace_back(std::ranges::min(lengths), std::ranges::max(lengths));
  }
  std::ranges::sort(ranges);
  for (std::size_t i = 1; i < ranges.size(); ++i) RC_ASSERT(ranges[i - 1].second <= ranges[i].first);
}

/// Batches of an epoch in their order, of one shard or of all.
std::vector<std::vector<int64_t>> epoch_batches(const Setting& setting, const Shard& shard, int64_t epoch) {
  auto options = setting.options;
  options.shard = shard;
  TrainingOrder order(setting.lengths, options);
  std::vector<std::vector<int64_t>> batches;
  for (int64_t i = 0; i < order.batches_per_epoch(); ++i) batches.push_back(order.batch({epoch, i}));
  return batches;
}

RC_GTEST_PROP(Shards, AreDisjointAndTogetherCoverTheEpoch, ()) {
  const Setting setting = any_setting();
  const auto count = *rc::gen::inRange<int64_t>(1, 6), epoch = *rc::gen::inRange<int64_t>(0, 1000);
  const auto whole = epoch_batches(setting, {}, epoch);
  // Where the batches do not divide, the shards' last ones are those of the epoch's start again.
  std::vector<std::vector<int64_t>> in_turn;
  std::vector<std::vector<std::vector<int64_t>>> shards;
  for (int64_t index = 0; index < count; ++index)
    shards.push_back(epoch_batches(setting, {index, count}, epoch));
  for (std::size_t i = 0; i < shards[0].size(); ++i)
    for (const auto& shard : shards) in_turn.push_back(shard.at(i));
  RC_ASSERT(in_turn.size() >= whole.size());
  for (std::size_t i = 0; i < in_turn.size(); ++i) RC_ASSERT(in_turn[i] == whole[i % whole.size()]);
}

RC_GTEST_PROP(Shards, HaveEqualNumbersOfBatches, ()) {
  const Setting setting = any_setting();
  const auto count = *rc::gen::inRange<int64_t>(1, 6);
  const auto whole = epoch_batches(setting, {}, 0).size();
  for (int64_t index = 0; index < count; ++index) {
    const auto batches = epoch_batches(setting, {index, count}, 0).size();
    RC_ASSERT(batches == (whole + static_cast<std::size_t>(count) - 1) / static_cast<std::size_t>(count));
  }
}

TEST(Shards, GoRoundWhereThereAreMoreThanBatches) {
  const Setting setting{{5, 3, 9}, {.seed = 42, .batch_size = 2}};  // two batches, five shards
  const auto whole = epoch_batches(setting, {}, 0);
  for (int64_t index = 0; index < 5; ++index) {
    const auto batches = epoch_batches(setting, {index, 5}, 0);
    ASSERT_EQ(batches.size(), 1U);
    EXPECT_EQ(batches[0], whole[static_cast<std::size_t>(index) % 2]);
  }
}

RC_GTEST_PROP(Shards, AgreeWhereAllOfThemHaveFullBatches, ()) {
  const Setting setting = any_setting();
  const auto count = *rc::gen::inRange<int64_t>(1, 6);
  std::vector<TrainingOrder> shards;
  for (int64_t index = 0; index < count; ++index) {
    auto options = setting.options;
    options.shard = {index, count};
    shards.emplace_back(setting.lengths, options);
  }
  for (int64_t i = 0; i < shards[0].batches_per_epoch(); ++i) {
    bool full = true;
    for (auto& shard : shards)
      full = full && static_cast<int64_t>(shard.batch({0, i}).size()) == setting.options.batch_size;
    for (const auto& shard : shards) RC_ASSERT(shard.is_full_size({0, i}) == full);
  }
}

TEST(Shards, ThatDoNotExistAreRefused) {
  const std::vector<int64_t> lengths(10, 4);
  for (const Shard& shard : {Shard{2, 2}, Shard{-1, 2}, Shard{0, 0}})
    EXPECT_THROW(TrainingOrder(lengths, {.shard = shard}), std::invalid_argument);
}

RC_GTEST_PROP(Visits, AreTheExamplesWithTheirEpoch, ()) {
  const Setting setting = any_setting();
  TrainingOrder order(setting.lengths, setting.options);
  const auto epoch = *rc::gen::inRange<int64_t>(0, 1000);
  const auto visits = order.visits({epoch, 0});
  const auto batch = order.batch({epoch, 0});
  RC_ASSERT(visits.size() == batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Visit expected{batch[i], epoch, 1};
    RC_ASSERT(visits[i] == expected);
  }
}

// Fixed numbers: the order must not change with compiler, platform or release, or runs could not be resumed.
TEST(TrainingOrder, IsTheSameEverywhere) {
  const std::vector<int64_t> lengths{5, 3, 9, 4, 8, 2, 7, 6, 1, 10};
  TrainingOrder order(lengths, {.seed = 42, .batch_size = 4});
  EXPECT_EQ(epoch_examples(order, 0), (std::vector<int64_t>{6, 9, 0, 2, 7, 3, 1, 8, 4, 5}));
  EXPECT_EQ(epoch_examples(order, 1), (std::vector<int64_t>{4, 5, 1, 2, 0, 6, 9, 7, 8, 3}));
}

TEST(TrainingOrder, DiffersBetweenEpochsAndSeeds) {
  const std::vector<int64_t> lengths(1000, 4);
  TrainingOrder order(lengths, {.seed = 1});
  TrainingOrder other(lengths, {.seed = 2});
  EXPECT_NE(epoch_examples(order, 0), epoch_examples(order, 1));
  EXPECT_NE(epoch_examples(order, 0), epoch_examples(other, 0));
}

// 1000 orders of 10 examples: each place of an example is Binomial(1000, 1/10), sd 9.5. 7 sd are 66; the
// normal tail beyond 7 sd, 2.6e-12, times 100 counts stays far below 1e-6 (binomial tails included).
TEST(TrainingOrder, PutsEveryExampleAtEveryPlaceEquallyOften) {
  const std::vector<int64_t> lengths(10, 4);
  TrainingOrder order(lengths, {.seed = 7, .batch_size = 10});
  std::vector<std::vector<int64_t>> counts(10, std::vector<int64_t>(10, 0));
  for (int64_t epoch = 0; epoch < 1000; ++epoch) {
    const auto batch = order.batch({epoch, 0});
    for (std::size_t place = 0; place < batch.size(); ++place)
      ++counts[place][static_cast<std::size_t>(batch[place])];
  }
  for (const auto& row : counts) {
    for (const int64_t count : row) EXPECT_LE(std::abs(count - 100), 66);
  }
}

TEST(TrainingOrder, RefusesWhatIsOutside) {
  const std::vector<int64_t> lengths(10, 4);
  EXPECT_THROW(TrainingOrder({}, {}), std::invalid_argument);
  EXPECT_THROW(TrainingOrder(lengths, {.batch_size = 0}), std::invalid_argument);
  TrainingOrder order(lengths, {.batch_size = 4});
  EXPECT_THROW(order.batch({0, 3}), std::out_of_range);
  EXPECT_THROW(order.batch({-1, 0}), std::out_of_range);
}

RC_GTEST_PROP(EvaluationBatches, HoldEveryExampleOnceSortedByLength, ()) {
  const auto lengths = *rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(2, 40));
  const auto batch_size = *rc::gen::inRange<int64_t>(1, 9);
  const auto most_tokens = *rc::gen::inRange<int64_t>(1, 200);
  std::vector<int64_t> examples;
  for (const auto& batch : evaluation_batches(lengths, batch_size, most_tokens)) {
    RC_ASSERT(!batch.empty() && static_cast<int64_t>(batch.size()) <= batch_size);
    int64_t tokens = 0;
    for (const int64_t example : batch) tokens += lengths[static_cast<std::size_t>(example)];
    RC_ASSERT(batch.size() == 1 || tokens <= most_tokens);
    examples.insert(examples.end(), batch.begin(), batch.end());
  }
  RC_ASSERT(
      std::ranges::is_sorted(examples, {}, [&](int64_t i) { return lengths[static_cast<std::size_t>(i)]; }));
  std::ranges::sort(examples);
  RC_ASSERT(examples == counting(lengths.size()));
}

}  // namespace order_test
}  // namespace vcas::data
