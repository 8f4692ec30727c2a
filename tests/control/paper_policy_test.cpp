// Policy paper on a recorded sequence whose every number is worked out by hand below.
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "control/synthetic_problem.h"

namespace vcas::control {
namespace paper_policy_test {

at::Tensor doubles(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

// Two blocks; the first has a trainable and a frozen weight, the second a weight with one row a sample.
sampling::SamplingLayout layout() {
  return {{{.name = "0", .weights = {{.name = "a", .gradient = 0}, {.name = "frozen", .trainable = false}}},
           {.name = "1", .weights = {{.name = "b", .gradient = 1}}}}};
}

// Four samples of one row each, twice two rows.
sampling::PassStatistics pass(double scores_a, const std::vector<double>& scores_b) {
  const std::vector<int64_t> rows{0, 2, 4, 5, 6}, samples{0, 1, 2, 3, 4};
  const at::Tensor a = doubles(std::vector<double>(6, scores_a));
  return {{{.sample_norms = doubles({4, 3, 2, 1}), .weights = {{rows, a}, {rows, a}}},
           {.sample_norms = doubles({5, 3, 1, 1}), .weights = {{samples, doubles(scores_b)}}}}};
}

Observation observation(double gradient_a, double gradient_b, const std::vector<double>& errors,
                        const std::vector<double>& scores_b) {
  Observation result{.exact = pass(0, {0, 0, 0, 0}),
                     .gradients = {at::full({1}, gradient_a), at::full({1}, gradient_b)}};
  for (const double error : errors) result.trials.push_back({error, pass(1, scores_b)});
  return result;
}

ControllerOptions options() {
  ControllerOptions result;
  result.policy = Policy::paper;
  result.act_var_tau = 0.1;
  result.w_var_tau = 0.1;
  result.cal_var_freq = 10;
  return result;
}

TEST(PaperPolicy, FollowsItsUpdateRuleOnARecordedSequence) {
  VarianceController controller(options(), layout(), 1);
  EXPECT_TRUE(controller.adapts(0, true));
  EXPECT_FALSE(observe(controller, 0, observation(1, 2, {0, 0}, {1, 1, 1, 1})));
  EXPECT_TRUE(observe(controller, 1, observation(3, 2, {0, 0}, {1, 1, 1, 1})));
  // V_s = 1/2·(3-1)² + 0 = 2; V_act = 0 < 0.2: s = 0.99.
  EXPECT_DOUBLE_EQ(controller.s(), 0.99);
  EXPECT_DOUBLE_EQ(controller.last_report().v_sgd, 2);
  EXPECT_DOUBLE_EQ(controller.last_report().v_act, 0);
  // At s = .99 all four norms of either block are needed: rho stays 1. V_w = 0 at nu = 1; its budget is 0.2
  // for a and 0 for b, neither exceeded: nu = .95 for both, and the frozen weight keeps 1.
  auto plan = controller.plan();
  EXPECT_EQ(plan.sample_keep_ratio, (std::vector<double>{1, 1}));
  EXPECT_EQ(plan.row_keep_ratio, (std::vector<std::vector<double>>{{0.95, 1}, {0.95}}));
  EXPECT_TRUE(plan.sampled);

  // Second window. Exact gradients 1, 2 and 2, 4: V_s = 1/2 + 2 = 2.5, its budget .25; V_act = (1+2+3+4)/4
  // = 2.5: s = 1.
  EXPECT_FALSE(controller.adapts(9, true));
  EXPECT_TRUE(controller.adapts(10, true));
  observe(controller, 10, observation(1, 2, {1, 2}, {1, 1, 1, 1}));
  observe(controller, 11, observation(2, 4, {3, 4}, {1, 1, 1, 1}));
  EXPECT_DOUBLE_EQ(controller.s(), 1);
  EXPECT_DOUBLE_EQ(controller.last_report().v_act, 2.5);
  // a: count = round(.95·6) = 6 of 6 rows: V_w = 0, below .05: .95². b: round(.95·4) = 4 of 4: .95².
  plan = controller.plan();
  EXPECT_DOUBLE_EQ(plan.row_keep_ratio[0][0], 0.95 * 0.95);
  EXPECT_DOUBLE_EQ(plan.row_keep_ratio[1][0], 0.95 * 0.95);
}

TEST(PaperPolicy, AveragesKeepRatiosAndRaisesRowRatiosAboveTheirBudget) {
  auto opts = options();
  opts.s_update_step = 0.4;
  VarianceController controller(opts, layout(), 1);
  observe(controller, 0, observation(1, 2, {0, 0}, {1, 1, 1, 1}));
  observe(controller, 1, observation(3, 2, {0, 0}, {1, 1, 1, 1}));
  // s = .6: 4 + 3 ≥ 6 of 10 in block 0, 5 + 3 ≥ 6 of 10 in block 1: p = .5, rho = .6·1 + .4·.5 = .8.
  EXPECT_DOUBLE_EQ(controller.s(), 0.6);
  EXPECT_DOUBLE_EQ(controller.plan().sample_keep_ratio[0], 0.8);
  EXPECT_DOUBLE_EQ(controller.plan().sample_keep_ratio[1], 0.8);
  observe(controller, 10, observation(1, 2, {0, 0}, {4, 2, 1, 1}));
  observe(controller, 11, observation(1, 2, {0, 0}, {4, 2, 1, 1}));
  // V_s = 0, V_act = 0: neither above nor below, s stays .6; rho = .6·.8 + .4·.5 = .68.
  EXPECT_DOUBLE_EQ(controller.s(), 0.6);
  EXPECT_DOUBLE_EQ(controller.plan().sample_keep_ratio[0], 0.68);
  // rho was .8: k = 3 of 4. b: round(.75·4) = 3 rows, count round(.95·3) = 3 of scores 4 2 1 1: 3·4 ≥ 8 and
  // 2·2 ≥ 4 are certain, the last two have q = 1/2: V_w = 2·(1-.5)/.5·1² = 2 > 0: nu = .95/.95 = 1. a:
  // round(.75·6) = 5 (4.5 rounded away from zero), count round(.95·5) = 5 of 6 equal rows, q = 5/6: V_w =
  // 6·(1/5)·1 = 1.2 > 0: 1 as well.
  EXPECT_DOUBLE_EQ(controller.plan().row_keep_ratio[1][0], 1);
  EXPECT_DOUBLE_EQ(controller.plan().row_keep_ratio[0][0], 1);
  EXPECT_DOUBLE_EQ(controller.last_report().v_w, 3.2);
}

TEST(PaperPolicy, KeepsWithinItsLimits) {
  auto opts = options();
  opts.s_update_step = 0.5;
  opts.w_ratio_mul = 0.1;
  VarianceController controller(opts, layout(), 1);
  for (int64_t window = 0; window < 4; ++window) {
    observe(controller, 10 * window, observation(1, 2, {0, 0}, {1, 0, 0, 0}));
    observe(controller, 10 * window + 1, observation(9, 9, {0, 0}, {1, 0, 0, 0}));
  }
  EXPECT_EQ(controller.s(), opts.s_min);
  EXPECT_EQ(controller.plan().row_keep_ratio[1][0], opts.row_keep_ratio_min);
}

TEST(PaperPolicy, TriesThePresentRatiosWithAllRows) {
  VarianceController controller(options(), layout(), 1);
  const auto batch = observation(1, 2, {0, 0}, {1, 1, 1, 1});
  for (const auto& [plan, wants_statistics] : controller.trial_passes(batch.exact)) {
    EXPECT_TRUE(plan.sampled && wants_statistics);
    EXPECT_EQ(plan.sample_keep_ratio, controller.plan().sample_keep_ratio);
    EXPECT_EQ(plan.row_keep_ratio, (std::vector<std::vector<double>>{{1, 1}, {1}}));
  }
}

}  // namespace paper_policy_test
}  // namespace vcas::control
