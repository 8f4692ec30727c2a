#include "vcas/control/gate.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace vcas::control {
namespace gate_test {

/// Two blocks of two weights.
sampling::SamplingLayout layout() {
  sampling::SamplingLayout result;
  for (const char* name : {"lower", "upper"}) {
    auto& block = result.blocks.emplace_back();
    block.name = name;
    block.cost_key = "block";
    for (const char* weight : {".a", ".b"}) block.weights.push_back({.name = block.name + weight});
  }
  return result;
}

/// Of a weight gradient a draw costs as much as 10 rows; of samples as much as 10 rows and a tenth of the
/// batch.
BlockCost cost() {
  const WeightGradientCost weight{.row = 1, .draw = 10, .scored_row = 0};
  return {.key = {"block", "cpu", "float32", 2},
          .backward = {.row = 1, .draw = 10, .batch_row = 0.1},
          .weights = {weight, weight}};
}

BenefitGate gate(const BlockCost& of_all, sampling::SamplingLayout of = layout()) {
  const BlockCosts costs(of.blocks.size(), of_all);
  return {std::move(of), costs};
}

sampling::SamplingPlan plan(std::vector<double> samples, std::vector<std::vector<double>> rows) {
  sampling::SamplingPlan result;
  result.sampled = true;
  result.sample_keep_ratio = std::move(samples);
  result.row_keep_ratio = std::move(rows);
  return result;
}

/// 4 samples of 25 rows; the last weight of the upper block runs on one row a sample.
const std::vector<sampling::BlockRows> kRows = {{4, {100, 100}}, {4, {100, 4}}};
const std::vector<std::vector<double>> kAllRows = {{1, 1}, {1, 1}};

TEST(BenefitGate, LeavesWhatPays) {
  const std::vector<std::vector<double>> rows = {{0.5, 0.5}, {0.5, 1}};
  const auto [kept, gated] = gate(cost()).apply(plan({0.5, 0.75}, rows), kRows);
  EXPECT_EQ(kept.sample_keep_ratio, (std::vector<double>{0.5, 0.75}));
  EXPECT_EQ(kept.row_keep_ratio, rows);
  EXPECT_TRUE(gated.blocks.empty());
  EXPECT_TRUE(gated.weights.empty());
}

TEST(BenefitGate, RunsExactlyWhatSavesLessThanItsDraw) {
  // Of 75 rows .9 saves 7, .8 saves 15; of 3 rows, one a sample, nothing pays for a draw.
  const auto [kept, gated] = gate(cost()).apply(plan({0.75, 0.75}, {{0.9, 0.8}, {0.9, 0.25}}), kRows);
  EXPECT_EQ(kept.row_keep_ratio, (std::vector<std::vector<double>>{{1, 0.8}, {1, 1}}));
  EXPECT_EQ(gated.weights, (std::vector<std::string>{"upper.a", "upper.b", "lower.a"}));
  EXPECT_TRUE(gated.blocks.empty());
}

TEST(BenefitGate, LeavesSamplesOutWhereThatPays) {
  auto expensive = cost();
  // Either block would leave out 25 rows, for the draw and 10. The upper one saves half a row's work each, as
  // one weight of two runs on them, and one weight's gradient; the lower one a whole row's work and two
  // gradients.
  const auto decide = [&](double draw) {
    expensive.backward.draw = draw;
    return gate(expensive).apply(plan({0.75, 0.75}, kAllRows), kRows);
  };
  EXPECT_TRUE(decide(27).second.blocks.empty());
  const auto [kept, gated] = decide(28);
  EXPECT_EQ(kept.sample_keep_ratio, (std::vector<double>{0.75, 1}));
  EXPECT_EQ(gated.blocks, std::vector<int64_t>{1});
  const auto [all, both] = decide(66);
  EXPECT_EQ(all.sample_keep_ratio, (std::vector<double>{1, 1}));
  EXPECT_EQ(both.blocks, (std::vector<int64_t>{1, 0}));
}

TEST(BenefitGate, CountsTheRowsOfEachWeight) {
  // A sample of four is left out for the draw and 10: 25 rows of one weight and 10 of the other save the work
  // of 17.5 and the weight gradients of 35. One row a sample is all there is in the second batch: of 100
  // samples 25.
  const auto gates = [&](double draw, const std::vector<int64_t>& weight_rows, int64_t samples) {
    auto expensive = cost();
    expensive.backward.draw = draw;
    auto lower = layout();
    lower.blocks.pop_back();
    const auto of_lower = plan({0.75}, {{1, 1}});
    return gate(expensive, lower).apply(of_lower, {{samples, weight_rows}}).second.blocks.size() == 1;
  };
  EXPECT_FALSE(gates(42, {100, 40}, 4));
  EXPECT_TRUE(gates(43, {100, 40}, 4));
  EXPECT_FALSE(gates(64, {100, 100}, 100));
  EXPECT_TRUE(gates(66, {100, 100}, 100));
}

TEST(BenefitGate, DecidesAnewBelowABlockThatMixesSamples) {
  auto mixing = layout();
  mixing.blocks[1].mixes_samples = true;
  auto expensive = cost();
  expensive.backward.draw = 50;
  // The upper block leaves out three of four samples. Below it a gradient arrives at all of them again: to
  // leave out one saves the work of 25 rows and a tenth of two gradients, 30, and costs a draw of 50 and 10.
  const auto decide = [&](const sampling::SamplingLayout& of) {
    return gate(expensive, of)
        .apply(plan({0.75, 0.25}, {{0.1, 0.1}, {1, 1}}), {{4, {100, 100}}, {4, {100, 100}}})
        .second.blocks;
  };
  EXPECT_TRUE(decide(layout()).empty());
  EXPECT_EQ(decide(mixing), std::vector<int64_t>{0});
}

TEST(BenefitGate, CountsSamplesAndNotRatios) {
  auto expensive = cost();
  expensive.backward.draw = 1000;
  // Of 4 samples .9 keeps all: nothing is left out above, and nothing to be gated.
  const auto [kept, gated] = gate(expensive).apply(plan({0.5, 0.9}, kAllRows), kRows);
  EXPECT_EQ(kept.sample_keep_ratio, (std::vector<double>{1, 0.9}));
  EXPECT_EQ(gated.blocks, std::vector<int64_t>{0});
}

TEST(BenefitGate, LeavesAnExactPlanAndFrozenWeightsAlone) {
  auto frozen = layout();
  frozen.blocks[0].weights[0].trainable = false;
  const BenefitGate gate_of_frozen = gate(cost(), frozen);
  EXPECT_FALSE(gate_of_frozen.apply({}, kRows).first.sampled);
  const auto [kept, gated] = gate_of_frozen.apply(plan({0.5, 0.75}, {{0.99, 1}, {1, 1}}), kRows);
  EXPECT_EQ(kept.row_keep_ratio[0][0], 0.99);
  EXPECT_TRUE(gated.weights.empty());
}

TEST(BenefitGate, RefusesCostsOfOtherWeights) {
  auto other = cost();
  other.weights.pop_back();
  EXPECT_THROW(gate(other), c10::Error);
  EXPECT_THROW(BenefitGate(layout(), {cost()}), c10::Error);
  EXPECT_THROW(gate(cost()).apply(plan({0.5, 0.75}, kAllRows), {kRows[0]}), c10::Error);
}

TEST(BenefitGate, LeavesABlockOfUnknownCostAsItIs) {
  const std::vector<std::vector<double>> nu = {{0.99, 0.99}, {0.99, 0.99}};
  const BenefitGate lower_alone(layout(), {cost(), std::nullopt});
  EXPECT_TRUE(lower_alone.knows_costs());
  const auto [kept, gated] = lower_alone.apply(plan({0.99, 0.99}, nu), kRows);
  EXPECT_EQ(kept.row_keep_ratio, (std::vector<std::vector<double>>{{1, 1}, {0.99, 0.99}}));
  EXPECT_EQ(gated.weights, (std::vector<std::string>{"lower.a", "lower.b"}));
  // An ungated block that leaves samples out hands compact rows down.
  auto expensive = cost();
  expensive.backward.draw = 1000;
  EXPECT_TRUE(BenefitGate(layout(), {expensive, std::nullopt})
                  .apply(plan({0.5, 0.75}, kAllRows), kRows)
                  .second.blocks.empty());
  const BenefitGate none(layout(), {});
  EXPECT_FALSE(none.knows_costs());
  EXPECT_EQ(none.apply(plan({0.99, 0.99}, nu), kRows).first.row_keep_ratio, nu);
}

TEST(BenefitGate, BeginsAnewInEveryChain) {
  auto two_chains = layout();
  two_chains.blocks[1].chain = 1;
  auto expensive = cost();
  expensive.backward.draw = 66;  // pays for half of the batch, and not for a quarter
  const auto gated =
      gate(expensive, two_chains).apply(plan({0.75, 0.5}, kAllRows), {kRows[0], kRows[0]}).second;
  EXPECT_EQ(gated.blocks, std::vector<int64_t>{0});
  EXPECT_TRUE(gate(expensive).apply(plan({0.75, 0.5}, kAllRows), {kRows[0], kRows[0]}).second.blocks.empty());
}

TEST(CostTable, ComesBackFromJsonAndReplacesEntriesOfTheSameKey) {
  CostTable table;
  table.set(cost());
  auto newer = cost();
  newer.backward.row = 3e-7;
  table.set(newer);
  auto other = cost();
  other.key.threads = 1;
  table.set(other);
  const auto read = CostTable::from_json(table.to_json());
  EXPECT_EQ(read.to_json(), table.to_json());
  EXPECT_EQ(table.to_json().at("entries").size(), 2U);
  ASSERT_NE(read.find(newer.key), nullptr);
  EXPECT_EQ(read.find(newer.key)->backward.row, 3e-7);
  EXPECT_EQ(read.find({"block", "cpu", "bfloat16", 2}), nullptr);
}

std::string refusal(const std::function<void(nlohmann::json&)>& damage) {
  CostTable table;
  table.set(cost());
  auto json = table.to_json();
  damage(json);
  try {
    CostTable::from_json(json);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

TEST(CostTable, NamesWhatIsWrong) {
  EXPECT_EQ(refusal([](auto& json) { json["entries"][0]["backward"]["row"] = -1; }),
            "entries[0].backward.row: expected a number >= 0, got -1");
  EXPECT_EQ(refusal([](auto& json) { json["entries"][0]["weight_gradients"][1].erase("draw"); }),
            "entries[0].weight_gradients[1]: expected the key 'draw'");
  EXPECT_EQ(refusal([](auto& json) { json["entries"][0]["dtype"] = 16; }),
            "entries[0].dtype: expected a name, got 16");
  EXPECT_EQ(refusal([](auto& json) { json["entries"][0]["threads"] = 0; }),
            "entries[0].threads: expected an integer >= 1, got 0");
  EXPECT_EQ(refusal([](auto& json) { json["entries"][0]["device"] = ""; }),
            "entries[0].device: expected a name, got \"\"");
  EXPECT_EQ(refusal([](auto& json) { json["entries"][0].erase("block"); }),
            "entries[0]: expected the key 'block'");
  EXPECT_EQ(refusal([](auto& json) { json["entries"] = 3; }), "entries: expected a list, got 3");
  EXPECT_EQ(refusal([](auto& json) { json = nlohmann::json::array(); }),
            "cost table: expected an object, got []");
}

TEST(CostTable, ReadsEntriesOfEarlierVersions) {
  const auto table = CostTable::from_json(nlohmann::json::parse(R"({"entries": [
      {"hidden_size": 384, "intermediate_size": 1536, "dtype": "bfloat16", "threads": 2,
       "block": {"row": 1e-5, "draw": 2e-5, "batch_row": 3e-8},
       "weight_gradients": [{"row": 4e-6, "draw": 5e-6, "scored_row": 6e-8}]}]})"));
  const auto* entry = table.find({transformer_cost_key(384, 1536), "cpu", "bfloat16", 2});
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->backward.batch_row, 3e-8);
  EXPECT_EQ(entry->weights.at(0).draw, 5e-6);
  EXPECT_EQ(table.to_json()["entries"][0]["block"], "transformer_layer 384x1536");
}

TEST(CostTable, FindsTheCostsOfALayoutsBlocks) {
  CostTable table;
  table.set(cost());
  auto three = layout();
  three.blocks.emplace_back().cost_key = "another block";
  three.blocks[0].cost_key = "";
  const auto costs = table.find(three, "cpu", "float32", 2);
  ASSERT_EQ(costs.size(), 3U);
  EXPECT_FALSE(costs[0] || costs[2]);
  EXPECT_EQ(costs[1]->key, cost().key);
  EXPECT_FALSE(table.find(three, "cuda", "float32", 2)[1]);
  const auto read = block_costs_from_json(nlohmann::json::parse(to_json(costs).dump()));
  EXPECT_EQ(to_json(read), to_json(costs));
  EXPECT_THROW(block_costs_from_json(nlohmann::json::parse("[3]")), std::invalid_argument);
}

TEST(CostTable, ShippedOneKnowsTheMeasuredModels) {
  for (const char* dtype : {"float32", "bfloat16"}) {
    for (const int64_t threads : {1, 2}) {
      const auto* minilm =
          CostTable::shipped().find({transformer_cost_key(384, 1536), "cpu", dtype, threads});
      ASSERT_NE(minilm, nullptr) << dtype << ' ' << threads;
      EXPECT_EQ(minilm->weights.size(), 6U);
      EXPECT_NE(CostTable::shipped().find({transformer_cost_key(768, 3072), "cpu", dtype, threads}), nullptr);
    }
  }
}

/// Where one row of 512 is left out, every entry says that it does not pay, but for a weight that measured
/// no overhead at all (768, I to H, float32, 2 threads).
TEST(CostTable, ShippedOneClosesTheGateNearOne) {
  sampling::SamplingLayout one_block;
  auto& block = one_block.blocks.emplace_back();
  for (int i = 0; i < 6; ++i) block.weights.push_back({.name = std::to_string(i)});
  const std::vector<sampling::BlockRows> rows = {{32, std::vector<int64_t>(6, 512)}};
  for (const int64_t hidden : {384, 768}) {
    for (const char* dtype : {"float32", "bfloat16"}) {
      for (const int64_t threads : {1, 2}) {
        const auto* entry =
            CostTable::shipped().find({transformer_cost_key(hidden, 4 * hidden), "cpu", dtype, threads});
        ASSERT_NE(entry, nullptr);
        const auto gate_of_one = gate(*entry, one_block);
        const auto near = gate_of_one.apply(plan({1}, {std::vector<double>(6, 511.0 / 512)}), rows).second;
        const bool without_overhead = hidden == 768 && std::string(dtype) == "float32" && threads == 2;
        EXPECT_EQ(near.weights.size(), without_overhead ? 5U : 6U)
            << hidden << ' ' << dtype << ' ' << threads;
        const auto far = gate_of_one.apply(plan({0.5}, {std::vector<double>(6, 0.3)}), rows).second;
        EXPECT_TRUE(far.weights.empty() && far.blocks.empty()) << hidden << ' ' << dtype << ' ' << threads;
      }
    }
  }
}

}  // namespace gate_test
}  // namespace vcas::control
