#include "vcas/control/sampler.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "control/fake_model.h"
#include "control/synthetic_problem.h"

namespace vcas::control {
namespace sampler_test {

/// Costs under which nothing is worth a draw.
BlockCost dear(size_t weights) {
  return {.key = {"fake"},
          .backward = {.row = 1, .draw = 1e9},
          .weights = std::vector<WeightGradientCost>(weights, {.row = 1, .draw = 1e9})};
}

int64_t adapt(Sampler& sampler, FakeModel& model, int adaptations) {
  int64_t micro_batch = 0;
  for (; adaptations > 0; ++micro_batch) {
    if (!sampler.measures({.number = micro_batch})) continue;
    sampler.observe({.number = micro_batch}, model.observe(sampler));
    adaptations -= solve_alone(sampler) ? 1 : 0;
  }
  return micro_batch;
}

BlockCosts costs_of_tower() { return {std::nullopt, dear(2), std::nullopt, std::nullopt, std::nullopt}; }

TEST(Sampler, AsksForOneExactPassAndMTrialsAndThenForPassesUnderItsPlan) {
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    ControllerOptions options;
    options.policy = policy;
    Sampler sampler(options, FakeModel::layout(), 1);
    FakeModel model(1);
    EXPECT_TRUE(sampler.measures({.number = 0}));
    EXPECT_FALSE(sampler.measures({.number = 0, .full_size = false}));
    const auto exact = sampler.exact_pass();
    EXPECT_FALSE(exact.plan.sampled);
    EXPECT_TRUE(exact.statistics);
    const auto trials = sampler.trial_passes(model.observe(sampler).exact);
    ASSERT_EQ(trials.size(), 2U);
    for (const auto& trial : trials) {
      EXPECT_TRUE(trial.plan.sampled);
      EXPECT_EQ(trial.statistics, policy == Policy::paper);
    }
    EXPECT_FALSE(sampler.plan(FakeModel::rows()).sampled) << "nothing is known yet";
    EXPECT_FALSE(sampler.status().last_adaptation);
    const int64_t next = adapt(sampler, model, 1);
    EXPECT_EQ(next, 2);
    EXPECT_FALSE(sampler.statistics()) << "nothing to solve";
    EXPECT_TRUE(sampler.plan(FakeModel::rows()).sampled);
    EXPECT_TRUE(sampler.status().last_adaptation);
  }
}

TEST(Sampler, TakesOutWhatDoesNotPayWhereCostsAreKnown) {
  Sampler sampler({}, FakeModel::layout(), 1, costs_of_tower());
  FakeModel model(1);
  adapt(sampler, model, 3);
  const auto learned = sampler.ungated_plan();
  ASSERT_LT(learned.sample_keep_ratio[1], 1);
  ASSERT_LT(learned.row_keep_ratio[0][0], 1);
  const auto plan = sampler.plan(FakeModel::rows());
  EXPECT_EQ(plan.sample_keep_ratio[1], 1);
  EXPECT_EQ(plan.row_keep_ratio[1], (std::vector<double>{1, 1}));
  EXPECT_EQ(plan.row_keep_ratio[0], learned.row_keep_ratio[0]) << "costs unknown";
  EXPECT_EQ(plan.sample_keep_ratio[4], learned.sample_keep_ratio[4]) << "costs unknown";
  const auto gated = sampler.status().gated.value();
  EXPECT_EQ(gated.blocks, std::vector<int64_t>{1});
  EXPECT_EQ(sampler.status().sample_keep_ratio, learned.sample_keep_ratio)
      << "the controller does not know of it";
}

TEST(Sampler, SaysNothingOfAGateWithoutCostsAndAfterMeasuring) {
  Sampler without({}, FakeModel::layout(), 1), with({}, FakeModel::layout(), 1, costs_of_tower());
  FakeModel model(1);
  without.plan(FakeModel::rows());
  EXPECT_FALSE(without.status().gated);
  with.plan(FakeModel::rows());
  EXPECT_TRUE(with.status().gated);
  with.observe({.number = 0}, model.observe(with));
  solve_alone(with);
  EXPECT_FALSE(with.status().gated);
}

TEST(Sampler, TakesCostsFromASavedState) {
  Sampler saved({}, FakeModel::layout(), 1, costs_of_tower()), loaded({}, FakeModel::layout(), 1);
  FakeModel model(1);
  adapt(saved, model, 2);
  loaded.load_state(nlohmann::json::parse(saved.state().dump()), saved.state_tensors());
  EXPECT_EQ(to_json(loaded.costs()), to_json(saved.costs()));
  EXPECT_EQ(loaded.plan(FakeModel::rows()).sample_keep_ratio,
            saved.plan(FakeModel::rows()).sample_keep_ratio);
}

std::string refusal(const std::function<void(nlohmann::json&)>& damage) {
  Sampler saved({}, FakeModel::layout(), 1), target({}, FakeModel::layout(), 1);
  FakeModel model(1);
  adapt(saved, model, 1);
  auto state = saved.state();
  damage(state);
  try {
    target.load_state(state, saved.state_tensors());
  } catch (const c10::Error& error) {
    EXPECT_FALSE(target.ungated_plan().sampled) << "a refused state changes nothing";
    return error.what_without_backtrace();
  }
  return "accepted";
}

TEST(Sampler, RefusesAStateOfAnotherVersionByName) {
  EXPECT_EQ(refusal([](auto&) {}), "accepted");
  EXPECT_EQ(refusal([](auto& state) { state["version"] = 1; }), "sampler state: expected version 2, got 1");
  EXPECT_EQ(refusal([](auto& state) { state.erase("version"); }),
            "sampler state: expected version 2, got none (written by an earlier vcas)");
  EXPECT_EQ(refusal([](auto& state) { state = 3; }), "sampler state: expected an object, got number");
  EXPECT_EQ(refusal([](auto& state) { state["costs"][0] = 3; }),
            "sampler state: costs[0]: expected an object, got 3");
  EXPECT_EQ(refusal([](auto& state) { state["costs"].erase(0); }),
            "benefit gate: expected costs of 5 blocks, got 4");
  EXPECT_NE(refusal([](auto& state) { state.erase("controller"); }), "accepted");
  EXPECT_NE(refusal([](auto& state) { state["controller"].erase("rho"); }), "accepted");
}

TEST(Sampler, KeepsToTheOrderOfTheProtocol) {
  Sampler sampler({}, FakeModel::layout(), 1);
  FakeModel model(1);
  EXPECT_THROW(sampler.solve({1, 0}), c10::Error);
  sampler.observe({.number = 0}, model.observe(sampler));
  EXPECT_THROW(sampler.observe({.number = 1}, model.observe(sampler)), c10::Error);
  EXPECT_THROW(sampler.solve({1, 0, 0}), c10::Error);
  EXPECT_FALSE(solve_alone(sampler));
  sampler.observe({.number = 1}, model.observe(sampler));
  EXPECT_FALSE(sampler.solve(sampler.statistics().value()));
  EXPECT_THROW(sampler.solve({1, 0}), c10::Error);
  EXPECT_TRUE(solve_alone(sampler));
}

}  // namespace sampler_test
}  // namespace vcas::control
