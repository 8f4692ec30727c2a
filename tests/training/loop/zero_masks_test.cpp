#include "vcas/training/loop/zero_masks.h"

#include <gtest/gtest.h>

#include "training/fake_task.h"
#include "vcas/training/loop/trainer.h"
#include "vcas/training/methods/methods.h"

namespace vcas::training {
namespace zero_masks_test {

using testing::FakeRun;

/// Zeroes every second value of the first dense matrix of a run's model. @return where.
at::Tensor prune(const FakeRun& run, at::Tensor& weight) {
  const at::NoGradGuard no_grad;
  for (const auto& parameter : run.model->trainable_parameters()) {
    if (parameter.value.sizes() == at::IntArrayRef{testing::kHidden, testing::kHidden})
      weight = parameter.value;
  }
  auto pruned = (at::arange(weight.numel()) % 2 == 0).view(weight.sizes());
  weight.masked_fill_(pruned, 0);
  return pruned;
}

/// How many of the pruned weights are still zero after a few steps, and how many of the others have moved.
std::pair<int64_t, int64_t> zeros_and_moves(bool keep_zeros, const std::string& method_name,
                                            int64_t accumulation, bool sparse) {
  FakeRun run(94, sparse);
  at::Tensor weight;
  const at::Tensor pruned = prune(run, weight), before = weight.detach().clone();
  MethodOptions method_options;
  method_options.name = method_name;
  method_options.controller.cal_var_freq = 4;
  const auto method = training::make_method(method_options, *run.model, 7);
  TrainOptions options;
  options.learning_rate = 0.02;
  options.weight_decay = 0.01;
  options.max_steps = 12;
  options.gradient_accumulation_steps = accumulation;
  options.keep_zeros = keep_zeros;
  Trainer trainer(options, run.task, *method);
  while (trainer.steps_done() < trainer.total_steps()) trainer.step();
  trainer.finish_updates();
  const auto count = [](const at::Tensor& of) { return of.sum().item<int64_t>(); };
  return {count(pruned & (weight.detach() == 0)), count(~pruned & (weight.detach() != before))};
}

TEST(ZeroMasks, PrunedWeightsStayZeroAndTheOthersLearn) {
  for (const auto* method : {"exact", "vcas"}) {
    for (const int64_t accumulation : {1, 3}) {
      for (const bool sparse : {false, true}) {
        const auto [zeros, moves] = zeros_and_moves(true, method, accumulation, sparse);
        EXPECT_EQ(zeros, testing::kHidden * testing::kHidden / 2) << method << " " << accumulation;
        EXPECT_EQ(moves, testing::kHidden * testing::kHidden / 2) << method << " " << accumulation;
      }
    }
  }
}

TEST(ZeroMasks, WithoutThemPrunedWeightsGrowBack) {
  EXPECT_EQ(zeros_and_moves(false, "exact", 1, false).first, 0);
}

TEST(ZeroMasks, GradientsThatMayBeSharedAreNotChanged) {
  const at::Tensor weight = at::tensor({0.0f, 1.0f, 2.0f, 0.0f}).view({2, 2});
  const ZeroMasks masks({{"weight", weight}, {"bias", at::zeros({2}), {.weight_decay = false}}});
  const at::Tensor gradient = at::ones({2, 2}), bias = at::ones({2});
  std::vector<at::Tensor> gradients = {gradient, bias};
  masks.apply(gradients, /*writable=*/false);
  EXPECT_TRUE(gradient.equal(at::ones({2, 2})));
  EXPECT_TRUE(gradients[0].equal(at::tensor({0.0f, 1.0f, 1.0f, 0.0f}).view({2, 2})));
  EXPECT_TRUE(gradients[1].equal(at::ones({2})));
  masks.apply(gradients = {gradient, bias}, /*writable=*/true);
  EXPECT_TRUE(gradient.equal(gradients[0]));
}

}  // namespace zero_masks_test
}  // namespace vcas::training
