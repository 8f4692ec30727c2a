#include "vcas/training/loop/schedule.h"

#include <gtest/gtest.h>

namespace vcas::training {
namespace schedule_test {

TrainOptions options_of(SchedulerType type, double warmup_steps = 0, double warmup_ratio = 0) {
  TrainOptions options;
  options.learning_rate = 2.0;
  options.lr_scheduler_type = type;
  options.warmup_steps = warmup_steps;
  options.warmup_ratio = warmup_ratio;
  return options;
}

// The values are those of transformers' get_scheduler; all are short binary fractions, so equality is exact.
TEST(Schedule, LinearRisesOverTheWarmUpAndFallsToZero) {
  const Schedule schedule(options_of(SchedulerType::linear, 4), 12);
  EXPECT_EQ(schedule.learning_rate(0), 0.0);
  EXPECT_EQ(schedule.learning_rate(1), 0.5);
  EXPECT_EQ(schedule.learning_rate(4), 2.0);
  EXPECT_EQ(schedule.learning_rate(8), 1.0);
  EXPECT_EQ(schedule.learning_rate(11), 0.25);
  EXPECT_EQ(schedule.learning_rate(12), 0.0);
}

TEST(Schedule, StaysAtZeroAfterTheEnd) {
  EXPECT_EQ(Schedule(options_of(SchedulerType::linear), 4).learning_rate(9), 0.0);
}

TEST(Schedule, CosineIsHalfAtTheMiddle) {
  const Schedule schedule(options_of(SchedulerType::cosine), 8);
  EXPECT_EQ(schedule.learning_rate(0), 2.0);
  EXPECT_NEAR(schedule.learning_rate(4), 1.0, 1e-15);  // the rounding of cos(pi/2)
  EXPECT_NEAR(schedule.learning_rate(8), 0.0, 1e-15);
}

TEST(Schedule, ConstantHasNoWarmUpUnlessItsNameSaysSo) {
  EXPECT_EQ(Schedule(options_of(SchedulerType::constant, 4), 8).learning_rate(0), 2.0);
  const Schedule with_warmup(options_of(SchedulerType::constant_with_warmup, 4), 8);
  EXPECT_EQ(with_warmup.learning_rate(2), 1.0);
  EXPECT_EQ(with_warmup.learning_rate(7), 2.0);
}

TEST(Schedule, WarmUpIsStepsOrAShareOfThemRoundedUp) {
  EXPECT_EQ(Schedule(options_of(SchedulerType::linear, 3), 100).warmup_steps(), 3);
  EXPECT_EQ(Schedule(options_of(SchedulerType::linear, 0.125), 100).warmup_steps(), 13);
  EXPECT_EQ(Schedule(options_of(SchedulerType::linear, 0, 0.25), 10).warmup_steps(), 3);
  EXPECT_EQ(Schedule(options_of(SchedulerType::linear, 5, 0.5), 100).warmup_steps(), 5);
}

}  // namespace schedule_test
}  // namespace vcas::training
