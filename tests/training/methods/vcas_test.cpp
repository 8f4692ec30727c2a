#include "vcas/training/methods/vcas.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "training/block_task.h"
#include "vcas/training/loop/trainer.h"
#include "vcas/training/methods/methods.h"

namespace vcas::training {
namespace vcas_test {

using nn::testing::all_kinds_of_blocks;
using testing::BlockTask;

constexpr int64_t kSteps = 24;

TrainOptions options_of() {
  TrainOptions options;
  options.per_device_train_batch_size = 8;
  options.learning_rate = 0.01;
  options.max_steps = kSteps;
  options.seed = 7;
  return options;
}

control::ControllerOptions controller_of(control::Policy policy) {
  control::ControllerOptions options;
  options.policy = policy;
  options.cal_var_freq = 4;
  options.s_update_step = 0.2;
  options.act_var_tau = options.w_var_tau = 0.5;  // so much that sampling sets in within a few steps
  return options;
}

/// Two chains whose blocks have weights with different row counts; a block that mixes samples, one that does
/// not sample activations, and a weight that is used twice.
class VcasOnAllKindsOfBlocks : public ::testing::TestWithParam<control::Policy> {
 protected:
  static SamplingStatus status_after_training(BlockTask& task, const TrainOptions& options) {
    VcasMethod method(controller_of(GetParam()), task.model(), 7);
    Trainer trainer(options, task, method);
    for (int64_t i = 0; i < options.max_steps; ++i) trainer.step();
    return *method.status();
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, VcasOnAllKindsOfBlocks,
                         ::testing::Values(control::Policy::solve, control::Policy::paper));

TEST_P(VcasOnAllKindsOfBlocks, SamplesEachAsItIs) {
  BlockTask task(96, all_kinds_of_blocks());
  const auto status = status_after_training(task, options_of());
  const auto& rho = status.sample_keep_ratio;
  ASSERT_EQ(rho.size(), 5U);
  EXPECT_EQ(rho[1], 1) << "it does not sample activations";
  EXPECT_LE(rho[0], rho[2]) << "ratios do not fall within a chain";
  EXPECT_LE(rho[3], rho[4]);
  EXPECT_LT(*std::min_element(rho.begin(), rho.end()), 1) << "the steps were sampled";
  const auto& nu = status.row_keep_ratio;
  EXPECT_EQ(nu.count("block3.frozen"), 0U);
  EXPECT_EQ(nu.at("block3.weight"), 1) << "a block that mixes samples keeps every row";
  for (const auto* weight : {"block0.rows", "block0.pairs", "block0.samples", "block1.weight",
                             "block2.weight", "block2.again", "block4.weight"}) {
    ASSERT_EQ(nu.count(weight), 1U) << weight;
    EXPECT_TRUE(0 < nu.at(weight) && nu.at(weight) <= 1) << weight;
  }
  EXPECT_TRUE(std::any_of(nu.begin(), nu.end(), [](const auto& item) { return item.second < 1; }));
}

TEST_P(VcasOnAllKindsOfBlocks, RepeatsItselfBitForBit) {
  BlockTask first(96, all_kinds_of_blocks()), second(96, all_kinds_of_blocks());
  status_after_training(first, options_of());
  status_after_training(second, options_of());
  const auto expected = second.model().own_tensors();
  for (const auto& [name, tensor] : first.model().own_tensors())
    EXPECT_TRUE(at::equal(tensor, expected.at(name))) << name;
}

TEST_P(VcasOnAllKindsOfBlocks, Learns) {
  BlockTask task(96, all_kinds_of_blocks());
  VcasMethod method(controller_of(GetParam()), task.model(), 7);
  auto options = options_of();
  options.max_steps = 240;
  options.learning_rate = 0.05;
  Trainer trainer(options, task, method);
  std::vector<double> losses;
  for (int64_t i = 0; i < options.max_steps; ++i) losses.push_back(trainer.step().loss);
  // Twelve steps are an epoch.
  const double first = std::accumulate(losses.begin(), losses.begin() + 12, 0.0);
  const double last = std::accumulate(losses.end() - 12, losses.end(), 0.0);
  EXPECT_LT(last, 0.9 * first);
}

TEST(VcasMethod, SumsOverRanksGiveWhatOneRankGives) {
  // Two ranks that see the same micro-batches: sums are twice this rank's numbers.
  BlockTask alone(96, all_kinds_of_blocks()), paired(96, all_kinds_of_blocks());
  const auto controller = controller_of(control::Policy::solve);
  VcasMethod one(controller, alone.model(), 7);
  VcasMethod two(controller, paired.model(), 7, {}, [](std::vector<double> numbers) {
    for (double& number : numbers) number *= 2;
    return numbers;
  });
  Trainer first(options_of(), alone, one), second(options_of(), paired, two);
  for (int64_t i = 0; i < kSteps; ++i) {
    first.step();
    second.step();
  }
  EXPECT_EQ(one.status()->sample_keep_ratio, two.status()->sample_keep_ratio);
  EXPECT_EQ(one.status()->row_keep_ratio, two.status()->row_keep_ratio);
}

TEST(BaselinesOnBlocks, SampleEveryBlock) {
  for (const char* name : {"sb", "ub"}) {
    BlockTask task(96, all_kinds_of_blocks());
    const auto method = make_method({.name = name}, task.model(), 7);
    Trainer trainer(options_of(), task, *method);
    double exact = 0, performed = 0;
    for (int64_t i = 0; i < kSteps; ++i) {
      const auto report = trainer.step();
      exact += report.flops.exact;
      performed += report.flops.performed;
    }
    EXPECT_LT(performed, 0.8 * exact) << name;
  }
}

}  // namespace vcas_test
}  // namespace vcas::training
