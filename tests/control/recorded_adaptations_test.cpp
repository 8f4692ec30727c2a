#include "control/recorded_adaptations.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "control/synthetic_problem.h"

namespace vcas::control {
namespace recorded_adaptations_test {

struct Run {
  ControllerOptions options;
  uint64_t seed;
  double skew;
  double scale_step;  ///< factor of all gradients from one adaptation to the next
};

/// Equal but for what another CPU's exp and log and another order of the sums in ATen's reductions may do to
/// the last digits (1e-12); on the machine of the recording all digits are equal. Bisection ends at 2^-24 of
/// nu.
void expect_recorded(const Run& run, const std::vector<RecordedAdaptation>& recorded) {
  SyntheticProblem problem(run.seed, run.skew);
  Sampler sampler(run.options, SyntheticProblem::layout(), run.seed);
  double scale = 1;
  int64_t micro_batch = 0;
  for (const RecordedAdaptation& expected : recorded) {
    for (bool closed = false; !closed; ++micro_batch) {
      if (!sampler.measures({.number = micro_batch})) continue;
      const auto batch = problem.batch(scale);
      sampler.observe({.number = micro_batch}, observe_batch(sampler, batch, micro_batch));
      closed = solve_alone(sampler);
    }
    scale *= run.scale_step;
    const auto status = sampler.status();
    const auto plan = sampler.ungated_plan();
    std::vector<double> values{status.s};
    values.insert(values.end(), plan.sample_keep_ratio.begin(), plan.sample_keep_ratio.end());
    for (const auto& block : plan.row_keep_ratio) values.insert(values.end(), block.begin(), block.end());
    const auto& report = status.last_adaptation.value();
    for (const double variance : {report.v_sgd, report.v_act, report.v_w}) values.push_back(variance);
    EXPECT_EQ(micro_batch - 1, expected.micro_batch);
    EXPECT_EQ(sampler.state().at("controller").at("next_due"), expected.next_due);
    ASSERT_EQ(values.size(), expected.values.size());
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(values[i], expected.values[i], 1e-12 * std::abs(expected.values[i]))
          << micro_batch << ": value " << i;
  }
}

TEST(RecordedAdaptations, OfPolicySolveAreRepeated) {
  expect_recorded({.options = {}, .seed = 21, .skew = 0.6, .scale_step = 0.8}, kRecordedSolve);
}

TEST(RecordedAdaptations, OfPolicySolveWithBernoulliDrawsAreRepeated) {
  ControllerOptions options;
  options.cal_var_m = 3;
  options.draw_method = sampling::DrawMethod::bernoulli;
  options.cal_var_stretch = 2;
  expect_recorded({.options = options, .seed = 22, .skew = 1.2, .scale_step = 1.3}, kRecordedBernoulli);
}

TEST(RecordedAdaptations, OfPolicyPaperAreRepeated) {
  ControllerOptions options;
  options.policy = Policy::paper;
  options.s_update_step = 0.05;
  options.w_ratio_mul = 0.8;
  expect_recorded({.options = options, .seed = 23, .skew = 0.6, .scale_step = 0.8}, kRecordedPaper);
}

}  // namespace recorded_adaptations_test
}  // namespace vcas::control
