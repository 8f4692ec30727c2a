#include "control/controller.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "control/synthetic_problem.h"

namespace vcas::control {
namespace controller_test {

ControllerOptions options(Policy policy) {
  ControllerOptions result;
  result.policy = policy;
  return result;
}

VarianceController controller(Policy policy) { return {options(policy), SyntheticProblem::layout(), 5}; }

// Runs the windows of `adaptations`; returns the micro-batch after the last.
int64_t adapt(VarianceController& controller, SyntheticProblem& problem, int adaptations,
              int64_t micro_batch = 0) {
  for (int done = 0; done < adaptations; ++micro_batch) {
    if (controller.adapts(micro_batch, true)) {
      done += observe(controller, micro_batch, observe_batch(controller, problem.batch(), micro_batch));
    }
  }
  return micro_batch;
}

bool equal(const sampling::SamplingPlan& a, const sampling::SamplingPlan& b) {
  return a.sampled == b.sampled && a.sample_keep_ratio == b.sample_keep_ratio &&
         a.row_keep_ratio == b.row_keep_ratio;
}

TEST(VarianceController, KeepsEverythingBeforeTheFirstAdaptation) {
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    SyntheticProblem problem(1);
    auto c = controller(policy);
    EXPECT_FALSE(c.plan().sampled);
    EXPECT_EQ(c.s(), 1);
    EXPECT_FALSE(observe(c, 0, observe_batch(c, problem.batch(), 0)));
    EXPECT_FALSE(c.plan().sampled);
    EXPECT_TRUE(observe(c, 1, observe_batch(c, problem.batch(), 1)));
    EXPECT_TRUE(c.plan().sampled);
  }
}

std::vector<int64_t> window_starts(Policy policy, int64_t stretch, int64_t micro_batches) {
  SyntheticProblem problem(1);
  auto chosen = options(policy);
  chosen.cal_var_stretch = stretch;
  VarianceController c(chosen, SyntheticProblem::layout(), 5);
  std::vector<int64_t> starts;
  bool open = false;
  for (int64_t i = 0; i < micro_batches; ++i) {
    if (!c.adapts(i, true)) continue;
    if (!open) starts.push_back(i);
    open = !observe(c, i, observe_batch(c, problem.batch(), i));
  }
  return starts;
}

TEST(VarianceController, AdaptsEveryFMicroBatches) {
  EXPECT_EQ(window_starts(Policy::paper, 8, 350), (std::vector<int64_t>{0, 100, 200, 300}));
  EXPECT_EQ(window_starts(Policy::solve, 1, 350), (std::vector<int64_t>{0, 25, 50, 100, 200, 300}));
}

TEST(VarianceController, AdaptsLessOftenWhileRatiosAreSteady) {
  const std::vector<int64_t> starts = window_starts(Policy::solve, 4, 2000);
  ASSERT_GE(starts.size(), 7U);
  int64_t widest = 0;
  for (size_t i = 4; i < starts.size(); ++i) {
    const int64_t interval = starts[i] - starts[i - 1], before = i == 4 ? 50 : starts[i - 1] - starts[i - 2];
    EXPECT_TRUE(interval == 100 || interval == std::min<int64_t>(400, 2 * before)) << i << ": " << interval;
    widest = std::max(widest, interval);
  }
  EXPECT_EQ(widest, 400);
}

TEST(VarianceController, PostponesSmallerMicroBatches) {
  SyntheticProblem problem(1);
  auto c = controller(Policy::paper);
  EXPECT_FALSE(c.adapts(0, false));
  EXPECT_TRUE(c.adapts(1, true));
  observe(c, 1, observe_batch(c, problem.batch(), 1));
  EXPECT_FALSE(c.adapts(2, false));
  EXPECT_TRUE(c.adapts(3, true));
  EXPECT_TRUE(observe(c, 3, observe_batch(c, problem.batch(), 3)));
  EXPECT_FALSE(c.adapts(4, true));
  EXPECT_FALSE(c.adapts(100, true));
  EXPECT_TRUE(c.adapts(101, true));
}

TEST(VarianceController, NumbersTheDrawsOfAWindowDistinctly) {
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    SyntheticProblem problem(1);
    auto c = controller(policy);
    std::set<int64_t> numbers{c.plan().draw_number};
    EXPECT_EQ(numbers, std::set<int64_t>{0});
    for (int64_t i = 0; i < 2; ++i) {
      const auto batch = problem.batch();
      for (const auto& request : c.trial_passes(statistics(batch, keep_everything(batch)))) {
        numbers.insert(request.plan.draw_number);
      }
      observe(c, i, observe_batch(c, batch, i));
    }
    EXPECT_EQ(numbers, (std::set<int64_t>{0, 1, 2, 3, 4}));
  }
}

TEST(VarianceController, RatiosRiseFromBlockToBlockAndStayInRange) {
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    SyntheticProblem problem(2);
    auto c = controller(policy);
    int64_t micro_batch = 0;
    for (int i = 0; i < 6; ++i) {
      micro_batch = adapt(c, problem, 1, micro_batch);
      const auto plan = c.plan();
      for (size_t l = 0; l < plan.sample_keep_ratio.size(); ++l) {
        EXPECT_GT(plan.sample_keep_ratio[l], 0);
        EXPECT_LE(plan.sample_keep_ratio[l], 1);
        EXPECT_GE(plan.sample_keep_ratio[l], l > 0 ? plan.sample_keep_ratio[l - 1] : 0);
        for (const double nu : plan.row_keep_ratio[l]) {
          EXPECT_GE(nu, 0.02);
          EXPECT_LE(nu, 1);
        }
      }
    }
  }
}

void expect_unmoved_by(const std::function<void(Observation&)>& spoil) {
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    for (const int64_t bad_batch : {0, 1}) {
      SyntheticProblem problem(3);
      auto c = controller(policy);
      int64_t i = adapt(c, problem, 2);
      while (!c.adapts(i, true)) ++i;
      const auto before = c.state().dump();
      if (bad_batch == 1) {
        observe(c, i, observe_batch(c, problem.batch(), i));
        ++i;
      }
      auto observation = observe_batch(c, problem.batch(), i);
      spoil(observation);
      EXPECT_FALSE(observe(c, i, observation));
      EXPECT_EQ(c.state().dump(), before);
      EXPECT_TRUE(c.adapts(i + 1, true)) << "the window begins anew";
    }
  }
}

TEST(VarianceController, IsLeftAsItWasByANonFiniteBatch) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  expect_unmoved_by([](Observation& o) { o.gradients[3][1] = kNaN; });
  expect_unmoved_by([](Observation& o) { o.gradients[0][0] = kInf; });
  expect_unmoved_by([](Observation& o) { o.exact.blocks[1].sample_norms[4] = kInf; });
  expect_unmoved_by([](Observation& o) { o.exact.blocks[0].weights[1].scores[2] = kNaN; });
  expect_unmoved_by([](Observation& o) { o.trials[1].squared_error = kNaN; });
}

// Continues `original` and a controller restored from its state with the same batches.
void expect_same_continuation(VarianceController& original, int64_t micro_batch, Policy policy) {
  const auto numbers = nlohmann::json::parse(original.state().dump());
  std::vector<at::Tensor> tensors;
  for (const at::Tensor& tensor : original.state_tensors()) tensors.push_back(tensor.clone());
  auto restored = controller(policy);
  restored.load_state(numbers, tensors);
  EXPECT_EQ(restored.state().dump(), original.state().dump());
  EXPECT_TRUE(equal(restored.plan(), original.plan()));
  SyntheticProblem problem(11), same(11);
  adapt(original, problem, 2, micro_batch);
  adapt(restored, same, 2, micro_batch);
  EXPECT_TRUE(equal(restored.plan(), original.plan()));
  EXPECT_EQ(restored.state().dump(), original.state().dump());
  EXPECT_EQ(restored.last_report().v_w, original.last_report().v_w);
}

TEST(VarianceController, ContinuesFromItsStateToTheBit) {
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    SyntheticProblem problem(4);
    auto fresh = controller(policy);
    expect_same_continuation(fresh, 0, policy);
    auto between = controller(policy);
    expect_same_continuation(between, adapt(between, problem, 3), policy);
    auto inside = controller(policy);
    int64_t i = adapt(inside, problem, 2);
    while (!inside.adapts(i, true)) ++i;
    ASSERT_FALSE(observe(inside, i, observe_batch(inside, problem.batch(), i)));
    expect_same_continuation(inside, i + 1, policy);
  }
}

TEST(VarianceController, RefusesAStateThatDoesNotFit) {
  SyntheticProblem problem(4);
  auto c = controller(Policy::solve);
  observe(c, 0, observe_batch(c, problem.batch(), 0));
  const auto numbers = c.state();
  const auto tensors = c.state_tensors();
  auto other_policy = controller(Policy::paper);
  EXPECT_THROW(other_policy.load_state(numbers, tensors), c10::Error);
  auto layout = SyntheticProblem::layout();
  layout.blocks[1].weights[0].name = "another";
  VarianceController other_layout(options(Policy::solve), layout, 5);
  EXPECT_THROW(other_layout.load_state(numbers, tensors), c10::Error);
  auto target = controller(Policy::solve);
  EXPECT_THROW(target.load_state(numbers, {}), c10::Error);
  auto surplus = tensors;
  surplus.push_back(tensors[0]);
  EXPECT_THROW(target.load_state(numbers, surplus), c10::Error);
  auto damaged = numbers;
  damaged.erase("rho");
  EXPECT_THROW(target.load_state(damaged, tensors), c10::Error);
  EXPECT_FALSE(target.plan().sampled) << "a refused state changes nothing";
}

TEST(VarianceController, RefusesObservationsThatDoNotFit) {
  SyntheticProblem problem(4);
  auto c = controller(Policy::paper);
  const auto good = observe_batch(c, problem.batch(), 0);
  const auto refused = [&](const std::function<void(Observation&)>& spoil) {
    auto observation = good;
    spoil(observation);
    EXPECT_THROW(c.observe(0, observation), c10::Error);
  };
  refused([](auto& o) { o.exact.blocks[0].weights[1].offsets = {0}; });
  refused([](auto& o) { o.exact.blocks[0].weights[1].offsets[3] = 1000; });
  refused([](auto& o) { o.exact.blocks.pop_back(); });
  refused([](auto& o) { o.exact.blocks[2].weights.pop_back(); });
  refused([](auto& o) { o.trials.pop_back(); });
  refused([](auto& o) { o.trials.push_back(o.trials[0]); });
  refused([](auto& o) { o.trials[1].statistics = {}; });
  refused([](auto& o) { o.trials[1].statistics.blocks[0].weights[0].scores.reset(); });
  refused([](auto& o) { o.gradients.pop_back(); });
  refused([](auto& o) { o.exact.blocks[0].sample_norms = o.exact.blocks[0].sample_norms.slice(0, 1); });
}

TEST(VarianceController, RefusesOptionsOutOfRange) {
  const auto refused = [](const std::function<void(ControllerOptions&)>& spoil) {
    ControllerOptions o;
    spoil(o);
    EXPECT_THROW(VarianceController(o, SyntheticProblem::layout(), 1), c10::Error);
  };
  refused([](auto& o) { o.act_var_tau = -1; });
  refused([](auto& o) { o.cal_var_m = 1; });
  refused([](auto& o) { o.cal_var_m = 16; });
  refused([](auto& o) { o.cal_var_freq = 1; });
  refused([](auto& o) { o.cal_var_stretch = 0; });
  refused([](auto& o) { o.cal_var_stretch = kLargestStretch + 1; });
  refused([](auto& o) { o.cal_var_freq = kLargestInterval + 1; });
  refused([](auto& o) { o.s_min = 2; });
  EXPECT_THROW(VarianceController(ControllerOptions{}, sampling::SamplingLayout{}, 1), c10::Error);
}

}  // namespace controller_test
}  // namespace vcas::control
