#include "control/cadence.h"

#include <gtest/gtest.h>

#include "control/synthetic_problem.h"

namespace vcas::control {
namespace cadence_test {

TEST(Cadence, CountsKeptWorkOfBlocksAlike) {
  EXPECT_DOUBLE_EQ(kept_work({1, {1, 1}, {{1, 1}, {1}}}), 1);
  EXPECT_DOUBLE_EQ(kept_work({0.9, {0.5, 1}, {{0.2, 0.6}, {}}}), (0.5 * 0.7 + 1) / 2);
}

TEST(Cadence, DoublesWhileSteadyAndStartsAnewAfterAChange) {
  ControllerOptions options;
  options.cal_var_stretch = 3;
  ControllerState state(SyntheticProblem::layout());
  state.adaptations = 9;
  state.interval = 100;
  const double kept = kept_work(state.ratios);
  EXPECT_EQ(next_interval(state, options, kept * 1.1), 200);
  EXPECT_EQ(next_interval(state, options, kept * 1.3), 100);
  EXPECT_EQ(next_interval(state, options, kept * 0.7), 100);
  state.interval = 200;
  EXPECT_EQ(next_interval(state, options, kept), 300) << "at most three times F";
  options.policy = Policy::paper;
  EXPECT_EQ(next_interval(state, options, kept), 100);
}

}  // namespace cadence_test
}  // namespace vcas::control
