#include "control/fake_model.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "control/window.h"

namespace vcas::control {
namespace fake_model_test {

ControllerOptions options(Policy policy) {
  ControllerOptions result;
  result.policy = policy;
  result.s_update_step = 0.2;
  result.act_var_tau = 0.1;
  return result;
}

Sampler sampler(Policy policy, BlockCosts costs = {}) {
  return {options(policy), FakeModel::layout(), 3, std::move(costs)};
}

/// Solves what all ranks observed. @return true when that closed an adaptation.
bool solve_together(const std::vector<Sampler*>& ranks) {
  bool closed = false;
  for (;;) {
    std::vector<double> sums;
    for (const Sampler* rank : ranks) {
      const auto numbers = rank->statistics();
      if (!numbers) return closed;
      sums.resize(numbers->size());
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += (*numbers)[i];
    }
    for (Sampler* rank : ranks) closed = rank->solve(sums);
  }
}

/// Runs `adaptations` windows on all ranks, each with its own model. @return the micro-batch after the last.
int64_t adapt(const std::vector<Sampler*>& ranks, const std::vector<FakeModel*>& models, int adaptations,
              int64_t micro_batch = 0) {
  for (; adaptations > 0; ++micro_batch) {
    if (!ranks[0]->measures({.number = micro_batch})) continue;
    for (size_t r = 0; r < ranks.size(); ++r)
      ranks[r]->observe({.number = micro_batch}, models[r]->observe(*ranks[r]));
    adaptations -= solve_together(ranks) ? 1 : 0;
  }
  return micro_batch;
}

nlohmann::json ratios(const Sampler& sampler) {
  const auto plan = sampler.ungated_plan();
  return {sampler.status().s, plan.sample_keep_ratio, plan.row_keep_ratio};
}

TEST(FakeModel, IsSampledAsItsLayoutSays) {
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    FakeModel model(1);
    auto alone = sampler(policy);
    adapt({&alone}, {&model}, 5);
    const auto plan = alone.ungated_plan();
    const auto& rho = plan.sample_keep_ratio;
    EXPECT_EQ(rho[0], 1) << "does not sample activations";
    EXPECT_LT(rho[1], 1);
    EXPECT_LT(rho[2], 1);
    EXPECT_LE(rho[2], rho[3]);
    EXPECT_LE(rho[3], rho[4]);
    const auto& nu = plan.row_keep_ratio;
    EXPECT_LT(nu[0][0], 1) << "rows are sampled where activations are not";
    EXPECT_LT(nu[1][1], 1);
    EXPECT_LT(nu[4][0], 1);
    EXPECT_EQ(nu[3][0], 1) << "mixes samples";
    EXPECT_EQ(nu[2][0], 1) << "below a block that mixes samples";
    EXPECT_EQ(nu[4][1], 1) << "frozen";
    const auto status = alone.status();
    EXPECT_EQ(status.row_keep_ratio.count("net.2.frozen"), 0U);
    EXPECT_EQ(status.row_keep_ratio.at("tower.1.b"), nu[1][1]);
  }
}

TEST(FakeModel, KeepsMaximaWithinAChain) {
  FakeModel model(1);
  auto alone = sampler(Policy::solve);
  auto observation = model.observe(alone);
  // All gradient of the last block of chain 0 is spread, all of chain 1 in one sample.
  observation.exact.blocks[1].sample_norms.fill_(1);
  for (size_t l = 2; l < 5; ++l) {
    observation.exact.blocks[l].sample_norms.fill_(1e-9);
    observation.exact.blocks[l].sample_norms[3] = 1;
  }
  const auto rho = alone.trial_passes(observation.exact)[0].plan.sample_keep_ratio;  // s = .95
  EXPECT_EQ(rho, (std::vector<double>{1, 1, 1.0 / 16, 1.0 / 16, 1.0 / 16}));
}

TEST(FakeModel, SharesTheBudgetOfASharedParameter) {
  const auto places = learned_weights(FakeModel::layout());
  std::vector<std::pair<size_t, double>> found;
  found.reserve(places.size());
  for (const auto& place : places) found.emplace_back(place.block, place.uses);
  EXPECT_EQ(found, (std::vector<std::pair<size_t, double>>{{0, 1}, {0, 2}, {1, 2}, {1, 1}, {4, 1}}));
}

TEST(FakeModel, TwoRanksHoldTheSameRatios) {
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    FakeModel first(1), second(2), again(1);
    auto a = sampler(policy), b = sampler(policy), alone = sampler(policy);
    int64_t next = 0;
    for (int i = 0; i < 6; ++i) {
      next = adapt({&a, &b}, {&first, &second}, 1, next);
      EXPECT_EQ(ratios(a), ratios(b));
      EXPECT_EQ(a.state()["controller"]["next_due"], b.state()["controller"]["next_due"]);
      EXPECT_EQ(a.status().last_adaptation->v_w, b.status().last_adaptation->v_w);
    }
    adapt({&alone}, {&again}, 6);
    EXPECT_NE(ratios(a), ratios(alone)) << "the other rank's batches count";
  }
}

TEST(FakeModel, TwoRanksOfEqualBatchesAreAsOneAlone) {
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    FakeModel first(1), second(1), third(1);
    auto a = sampler(policy), b = sampler(policy), alone = sampler(policy);
    adapt({&a, &b}, {&first, &second}, 6);
    adapt({&alone}, {&third}, 6);
    EXPECT_EQ(ratios(a), ratios(alone));
    EXPECT_EQ(a.state(), alone.state());
  }
}

TEST(FakeModel, ANonFiniteBatchOfOneRankDropsTheWindowOfAll) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    for (const int bad : {0, 1}) {
      FakeModel first(1), second(2);
      auto a = sampler(policy), b = sampler(policy);
      int64_t next = adapt({&a, &b}, {&first, &second}, 2);
      while (!a.measures({.number = next})) ++next;
      const auto before = std::pair(a.state(), b.state());
      for (int batch = 0; batch <= bad; ++batch, ++next) {
        auto observation = second.observe(b);
        if (batch == bad) observation.exact.blocks[4].sample_norms[2] = kNaN;
        a.observe({.number = next}, first.observe(a));
        b.observe({.number = next}, observation);
        EXPECT_FALSE(solve_together({&a, &b}));
      }
      EXPECT_EQ(a.state(), before.first);
      EXPECT_EQ(b.state(), before.second);
      EXPECT_TRUE(a.measures({.number = next}) && b.measures({.number = next})) << "the window begins anew";
      adapt({&a, &b}, {&first, &second}, 2, next);
      EXPECT_EQ(ratios(a), ratios(b));
    }
  }
}

/// Goes on with a sampler and one that is loaded from its state.
void expect_same_continuation(Sampler& original, Policy policy, int64_t micro_batch) {
  const auto numbers = nlohmann::json::parse(original.state().dump());
  std::vector<at::Tensor> tensors;
  for (const auto& tensor : original.state_tensors()) tensors.push_back(tensor.clone());
  auto loaded = sampler(policy);
  loaded.load_state(numbers, tensors);
  EXPECT_EQ(loaded.state(), numbers);
  FakeModel model(9), same(9);
  adapt({&original}, {&model}, 3, micro_batch);
  adapt({&loaded}, {&same}, 3, micro_batch);
  EXPECT_EQ(loaded.state(), original.state());
  EXPECT_EQ(ratios(loaded), ratios(original));
}

TEST(FakeModel, GoesOnFromASavedStateToTheBit) {
  for (const Policy policy : {Policy::paper, Policy::solve}) {
    FakeModel model(1);
    auto between = sampler(policy), inside = sampler(policy);
    const int64_t next = adapt({&between}, {&model}, 3);
    expect_same_continuation(between, policy, next);
    int64_t open = adapt({&inside}, {&model}, 2);
    while (!inside.measures({.number = open})) ++open;
    inside.observe({.number = open}, model.observe(inside));
    EXPECT_THROW(inside.state(), c10::Error) << "not solved yet";
    ASSERT_FALSE(solve_together({&inside}));
    expect_same_continuation(inside, policy, open + 1);
  }
}

}  // namespace fake_model_test
}  // namespace vcas::control
