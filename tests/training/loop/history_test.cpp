#include "vcas/training/loop/history.h"

#include <gtest/gtest.h>

namespace vcas::training {
namespace history_test {

RunHistory history_of(int64_t steps) {
  RunHistory history;
  for (int64_t step = 1; step <= steps; ++step) {
    StepReport report;
    report.step = step;
    report.loss = static_cast<double>(step);
    report.seconds = 0.5 * static_cast<double>(step);
    report.adaptation_seconds = 0.25;
    report.clipped = step % 4 == 0;
    report.flops = {300, 200};
    history.add(report);
  }
  return history;
}

TEST(RunHistory, TrainLossIsTheMeanOfTheLastTenth) {
  EXPECT_DOUBLE_EQ(history_of(400).train_loss(), 380.5);  // steps 361..400
}

TEST(RunHistory, TrainLossTakesAtLeastTwentySteps) {
  EXPECT_DOUBLE_EQ(history_of(50).train_loss(), 40.5);  // steps 31..50
  EXPECT_DOUBLE_EQ(history_of(4).train_loss(), 2.5);
}

TEST(RunHistory, AddsUpTimesAndOperations) {
  const auto history = history_of(8);
  EXPECT_DOUBLE_EQ(history.train_seconds(), 18.0);
  EXPECT_DOUBLE_EQ(history.adaptation_seconds(), 2.0);
  EXPECT_DOUBLE_EQ(history.flops().exact, 2400);
  EXPECT_DOUBLE_EQ(history.flops().performed, 1600);
  EXPECT_DOUBLE_EQ(history.clipped_fraction(), 0.25);
  EXPECT_DOUBLE_EQ(history.mean_loss(2), 7.5);
}

TEST(RunHistory, SurvivesSavingAndLoading) {
  const auto saved = history_of(30);
  RunHistory loaded;
  loaded.load(nlohmann::json::parse(saved.numbers().dump()), saved.tensors());
  EXPECT_EQ(loaded.steps(), 30);
  EXPECT_EQ(loaded.train_loss(), saved.train_loss());
  EXPECT_EQ(loaded.step_milliseconds().p90, saved.step_milliseconds().p90);
  EXPECT_EQ(loaded.flops().performed, saved.flops().performed);
  EXPECT_EQ(loaded.clipped_fraction(), saved.clipped_fraction());
}

TEST(Percentiles, InterpolateBetweenNeighbours) {
  const auto [median, p10, p90] = percentiles({5, 1, 4, 2, 3});
  EXPECT_DOUBLE_EQ(median, 3);
  EXPECT_DOUBLE_EQ(p10, 1.4);
  EXPECT_DOUBLE_EQ(p90, 4.6);
}

}  // namespace history_test
}  // namespace vcas::training
