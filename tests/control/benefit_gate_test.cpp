#include "vcas/control/benefit_gate.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace vcas::control {
namespace {

/// Two blocks of two linears; the last one of the upper block computes one row a sample.
SamplingLayout layout() {
  SamplingLayout result;
  for (const char* block : {"lower", "upper"}) {
    auto& linears = result.blocks.emplace_back();
    for (const char* linear : {".a", ".b"}) linears.push_back({.name = std::string(block) + linear});
  }
  result.blocks[1][1].one_row_per_sample = true;
  return result;
}

/// Of a weight gradient a draw costs as much as 10 rows; of samples as much as 10 rows and a tenth of the
/// batch.
EncoderLayerCost cost() {
  const WeightGradientCost linear{.row = 1, .draw = 10, .scored_row = 0};
  return {{384, 1536, "float32", 2}, {.row = 1, .draw = 10, .batch_row = 0.1}, {linear, linear}};
}

sampling::SamplingPlan plan(std::vector<double> samples, std::vector<std::vector<double>> rows) {
  sampling::SamplingPlan result;
  result.sampled = true;
  result.sample_keep_ratio = std::move(samples);
  result.row_keep_ratio = std::move(rows);
  return result;
}

const std::vector<int64_t> kOffsets = {0, 25, 50, 75, 100};  // 4 samples, 100 rows
const std::vector<std::vector<double>> kAllRows = {{1, 1}, {1, 1}};

TEST(BenefitGate, LeavesWhatPays) {
  const std::vector<std::vector<double>> rows = {{0.5, 0.5}, {0.5, 1}};
  const auto [kept, gated] = BenefitGate(cost(), layout()).apply(plan({0.5, 0.75}, rows), kOffsets);
  EXPECT_EQ(kept.sample_keep_ratio, (std::vector<double>{0.5, 0.75}));
  EXPECT_EQ(kept.row_keep_ratio, rows);
  EXPECT_TRUE(gated.blocks.empty());
  EXPECT_TRUE(gated.weights.empty());
}

TEST(BenefitGate, RunsExactlyWhatSavesLessThanItsDraw) {
  // Of 75 rows .9 saves 7, .8 saves 15; of 3 rows, one a sample, nothing pays for a draw.
  const auto [kept, gated] =
      BenefitGate(cost(), layout()).apply(plan({0.75, 0.75}, {{0.9, 0.8}, {0.9, 0.25}}), kOffsets);
  EXPECT_EQ(kept.row_keep_ratio, (std::vector<std::vector<double>>{{1, 0.8}, {1, 1}}));
  EXPECT_EQ(gated.weights, (std::vector<std::string>{"upper.a", "upper.b", "lower.a"}));
  EXPECT_TRUE(gated.blocks.empty());
}

TEST(BenefitGate, LeavesSamplesOutWhereThatPays) {
  auto expensive = cost();
  // Either block would leave out 25 rows, for the draw and 10. The upper one saves half a row's work each, as
  // one linear of two runs on them, and one weight's gradient; the lower one a whole row's work and two
  // gradients.
  const auto decide = [&](double draw) {
    expensive.block.draw = draw;
    return BenefitGate(expensive, layout()).apply(plan({0.75, 0.75}, kAllRows), kOffsets);
  };
  EXPECT_TRUE(decide(27).second.blocks.empty());
  const auto [kept, gated] = decide(28);
  EXPECT_EQ(kept.sample_keep_ratio, (std::vector<double>{0.75, 1}));
  EXPECT_EQ(gated.blocks, std::vector<int64_t>{1});
  const auto [all, both] = decide(66);
  EXPECT_EQ(all.sample_keep_ratio, (std::vector<double>{1, 1}));
  EXPECT_EQ(both.blocks, (std::vector<int64_t>{1, 0}));
}

TEST(BenefitGate, CountsSamplesAndNotRatios) {
  auto expensive = cost();
  expensive.block.draw = 1000;
  // Of 4 samples .9 keeps all: nothing is left out above, and nothing to be gated.
  const auto [kept, gated] = BenefitGate(expensive, layout()).apply(plan({0.5, 0.9}, kAllRows), kOffsets);
  EXPECT_EQ(kept.sample_keep_ratio, (std::vector<double>{1, 0.9}));
  EXPECT_EQ(gated.blocks, std::vector<int64_t>{0});
}

TEST(BenefitGate, LeavesAnExactPlanAndFrozenWeightsAlone) {
  auto frozen = layout();
  frozen.blocks[0][0].trainable = false;
  const BenefitGate gate(cost(), frozen);
  EXPECT_FALSE(gate.apply({}, kOffsets).first.sampled);
  const auto [kept, gated] = gate.apply(plan({0.5, 0.75}, {{0.99, 1}, {1, 1}}), kOffsets);
  EXPECT_EQ(kept.row_keep_ratio[0][0], 0.99);
  EXPECT_TRUE(gated.weights.empty());
}

TEST(BenefitGate, RefusesCostsOfOtherLinears) {
  auto other = cost();
  other.linears.pop_back();
  EXPECT_THROW(BenefitGate(other, layout()), c10::Error);
}

TEST(CostTable, ComesBackFromJsonAndReplacesEntriesOfTheSameKey) {
  CostTable table;
  table.set(cost());
  auto newer = cost();
  newer.block.row = 3e-7;
  table.set(newer);
  auto other = cost();
  other.key.threads = 1;
  table.set(other);
  const auto read = CostTable::from_json(table.to_json());
  EXPECT_EQ(read.to_json(), table.to_json());
  EXPECT_EQ(table.to_json().at("entries").size(), 2U);
  ASSERT_NE(read.find(newer.key), nullptr);
  EXPECT_EQ(read.find(newer.key)->block.row, 3e-7);
  EXPECT_EQ(read.find({384, 1536, "bfloat16", 2}), nullptr);
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
  EXPECT_EQ(refusal([](auto& json) { json["entries"][0]["block"]["row"] = -1; }),
            "entries[0].block.row: expected a number >= 0, got -1");
  EXPECT_EQ(refusal([](auto& json) { json["entries"][0]["weight_gradients"][1].erase("draw"); }),
            "entries[0].weight_gradients[1]: expected the key 'draw'");
  EXPECT_EQ(refusal([](auto& json) { json["entries"][0]["dtype"] = "float16"; }),
            "entries[0].dtype: expected float32 or bfloat16, got \"float16\"");
  EXPECT_EQ(refusal([](auto& json) { json["entries"][0]["threads"] = 0; }),
            "entries[0].threads: expected an integer >= 1, got 0");
  EXPECT_EQ(refusal([](auto& json) { json["entries"] = 3; }), "entries: expected a list, got 3");
  EXPECT_EQ(refusal([](auto& json) { json = nlohmann::json::array(); }),
            "cost table: expected an object, got []");
}

TEST(CostTable, ShippedOneKnowsTheMeasuredModels) {
  for (const char* dtype : {"float32", "bfloat16"}) {
    for (const int64_t threads : {1, 2}) {
      const auto* minilm = CostTable::shipped().find({384, 1536, dtype, threads});
      ASSERT_NE(minilm, nullptr) << dtype << ' ' << threads;
      EXPECT_EQ(minilm->linears.size(), 6U);
      EXPECT_NE(CostTable::shipped().find({768, 3072, dtype, threads}), nullptr);
    }
  }
}

/// Where one row of 512 is left out, every entry says that it does not pay, but for a linear that measured
/// no overhead at all (768, I to H, float32, 2 threads).
TEST(CostTable, ShippedOneClosesTheGateNearOne) {
  SamplingLayout one_block;
  auto& linears = one_block.blocks.emplace_back();
  for (int i = 0; i < 6; ++i) linears.push_back({.name = std::to_string(i)});
  std::vector<int64_t> offsets;
  for (int64_t row = 0; row <= 512; row += 16) offsets.push_back(row);
  for (const int64_t hidden : {384, 768}) {
    for (const char* dtype : {"float32", "bfloat16"}) {
      for (const int64_t threads : {1, 2}) {
        const auto* entry = CostTable::shipped().find({hidden, 4 * hidden, dtype, threads});
        ASSERT_NE(entry, nullptr);
        const BenefitGate gate(*entry, one_block);
        const auto near = gate.apply(plan({1}, {std::vector<double>(6, 511.0 / 512)}), offsets).second;
        const bool without_overhead = hidden == 768 && std::string(dtype) == "float32" && threads == 2;
        EXPECT_EQ(near.weights.size(), without_overhead ? 5U : 6U)
            << hidden << ' ' << dtype << ' ' << threads;
        const auto far = gate.apply(plan({0.5}, {std::vector<double>(6, 0.3)}), offsets).second;
        EXPECT_TRUE(far.weights.empty() && far.blocks.empty()) << hidden << ' ' << dtype << ' ' << threads;
      }
    }
  }
}

}  // namespace
}  // namespace vcas::control
