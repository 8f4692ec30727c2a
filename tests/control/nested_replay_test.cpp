#include "control/nested_replay.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "control/synthetic_problem.h"

namespace vcas::control {
namespace nested_replay_test {

WindowBatch recorded(const SyntheticBatch& batch) {
  Observation observation;
  observation.exact = statistics(batch, keep_everything(batch));
  return window_batch(observation, SyntheticProblem::layout(), Policy::solve);
}

TEST(NestedReplay, DrawsWhatABackwardPassWouldDraw) {
  SyntheticProblem problem(1);
  const SyntheticBatch batch = problem.batch();
  const sampling::StreamKey stream{.seed = 4, .micro_batch = 9, .draw = 3};
  sampling::SamplingPlan plan;
  plan.draw_number = 3;
  plan.sample_keep_ratio = {0.3, 0.5, 0.6};
  const auto replayed = replay_draw(SyntheticProblem::layout(), recorded(batch), plan.sample_keep_ratio,
                                    plan.draw_method, stream);
  const auto expected = sample_activations(batch, plan, stream);
  for (size_t l = 0; l < expected.size(); ++l) {
    for (size_t i = 0; i < expected[l].size(); ++i) {
      EXPECT_NEAR(replayed.scale[l][i], expected[l][i], 1e-12 * expected[l][i]);
    }
  }
  EXPECT_EQ(replayed.kept, (std::vector<int64_t>{10, 16, 19}));
}

TEST(NestedReplay, ADroppedSampleNeverReturns) {
  SyntheticProblem problem(2);
  const WindowBatch batch = recorded(problem.batch());
  for (uint32_t draw = 0; draw < 50; ++draw) {
    const auto replayed = replay_draw(SyntheticProblem::layout(), batch, {0.5, 0.5, 0.5},
                                      sampling::DrawMethod::fixed, {.seed = 1, .draw = draw});
    for (size_t l = 0; l + 1 < replayed.scale.size(); ++l) {
      for (size_t i = 0; i < replayed.scale[l].size(); ++i) {
        EXPECT_TRUE(replayed.scale[l + 1][i] > 0 || replayed.scale[l][i] == 0);
        EXPECT_TRUE(replayed.scale[l][i] == 0 ||
                    replayed.scale[l][i] >= replayed.scale[l + 1][i] * (1 - 1e-12));
      }
    }
  }
}

// E 1/P_i·[kept] = 1 for every sample at every block. At most 1/P = 40 here (asserted), 255 draws a stream of
// 40 micro-batches: Bernstein with variance at most 40 at 1e-8 a comparison, 96 of them.
TEST(NestedReplay, IsUnbiased) {
  SyntheticProblem problem(3, 0.5);
  const WindowBatch batch = recorded(problem.batch());
  std::vector<std::vector<double>> mean(3, std::vector<double>(32, 0));
  constexpr uint32_t kBatches = 40, kDraws = 255;
  double largest = 0;
  for (uint32_t micro_batch = 0; micro_batch < kBatches; ++micro_batch) {
    for (uint32_t draw = 0; draw < kDraws; ++draw) {
      const auto replayed =
          replay_draw(SyntheticProblem::layout(), batch, {0.5, 0.6, 0.7}, sampling::DrawMethod::fixed,
                      {.seed = 8, .micro_batch = micro_batch, .draw = draw});
      for (size_t l = 0; l < 3; ++l) {
        for (size_t i = 0; i < 32; ++i) {
          mean[l][i] += replayed.scale[l][i] / (kBatches * kDraws);
          largest = std::max(largest, replayed.scale[l][i]);
        }
      }
    }
  }
  ASSERT_LT(largest, 40);
  const double draws = kBatches * kDraws, log_alarm = std::log(2 / 1e-8);
  for (const auto& block : mean) {
    for (const double value : block) {
      const double linear = log_alarm * largest / (3 * draws);
      EXPECT_NEAR(value, 1, linear + std::sqrt(linear * linear + 2 * log_alarm * largest / draws));
    }
  }
}

TEST(SampledRows, AreTheScoresOfTheKeptSamples) {
  SyntheticProblem problem(4);
  const SyntheticBatch batch = problem.batch();
  const WindowBatch window = recorded(batch);
  const auto draw = replay_draw(SyntheticProblem::layout(), window, {0.4, 0.5, 0.6},
                                sampling::DrawMethod::fixed, {.seed = 5});
  const auto stats = statistics(batch, draw.scale);
  for (size_t l = 0; l < 3; ++l) {
    for (size_t k = 0; k < 2; ++k) {
      const auto outcome = sampled_rows({l, k}, window, draw);
      const at::Tensor scores = stats.blocks[l].weights[k].scores;
      const int64_t all = scores.numel();
      EXPECT_EQ(all, SyntheticProblem::one_row(l, k) ? 32 : batch.offsets.back());
      const RowVariance expected(
          std::vector<double>(scores.data_ptr<double>(), scores.data_ptr<double>() + all));
      EXPECT_EQ(outcome.rows, std::lround(static_cast<double>(draw.kept[l]) / 32 * static_cast<double>(all)));
      for (const int64_t count : {1, 3, 9}) {
        EXPECT_NEAR(outcome.variance.at(count) / expected.at(count), 1, 1e-9) << l << '.' << k;
      }
    }
  }
}

}  // namespace nested_replay_test
}  // namespace vcas::control
