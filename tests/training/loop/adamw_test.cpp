#include "vcas/training/loop/adamw.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include "support/wave.h"

namespace vcas::training {
namespace adamw_test {

using test::wave;

/// Steps ours and torch.optim.AdamW over the same gradients. @return the largest difference of a weight.
double difference_after_steps(at::ScalarType dtype, int64_t steps) {
  const at::Tensor weight = wave({33, 17}, 0.1, dtype), bias = wave({33}, 0.2, dtype);
  at::Tensor peer_weight = weight.clone().set_requires_grad(true);
  at::Tensor peer_bias = bias.clone().set_requires_grad(true);
  AdamW ours({{"weight", weight, {.weight_decay = true}}, {"bias", bias, {.weight_decay = false}}},
             {0.9, 0.99, 1e-8, 0.1});

  const auto group_options = [](double decay) {
    auto options = std::make_unique<torch::optim::AdamWOptions>(1.0);
    options->betas({0.9, 0.99}).eps(1e-8).weight_decay(decay);
    return options;
  };
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<at::Tensor>{peer_weight}, group_options(0.1));
  groups.emplace_back(std::vector<at::Tensor>{peer_bias}, group_options(0.0));
  torch::optim::AdamW peer(groups, torch::optim::AdamWOptions(1.0));

  for (int64_t step = 0; step < steps; ++step) {
    const double learning_rate = 0.01 / static_cast<double>(step + 1);
    const at::Tensor weight_gradient = wave({33, 17}, 1.0 + static_cast<double>(step), dtype);
    const at::Tensor bias_gradient = wave({33}, 2.0 + static_cast<double>(step), dtype);
    ours.step({weight_gradient, bias_gradient}, learning_rate);
    for (auto& group : peer.param_groups()) group.options().set_lr(learning_rate);
    peer_weight.mutable_grad() = weight_gradient.clone();
    peer_bias.mutable_grad() = bias_gradient.clone();
    peer.step();
  }
  return std::max((weight - peer_weight.detach()).abs().max().item<double>(),
                  (bias - peer_bias.detach()).abs().max().item<double>());
}

// Weights are below 1 and a step moves them by at most 0.01; 20 steps round about 20 times at 2^-24 of the
// weight.
TEST(AdamW, AgreesWithTorchInFloat32) { EXPECT_LT(difference_after_steps(at::kFloat, 20), 20 * 6e-8); }

TEST(AdamW, AgreesWithTorchInFloat64) { EXPECT_LT(difference_after_steps(at::kDouble, 20), 1e-14); }

TEST(AdamW, ScalesGradientsOnReadingAndLeavesThemAsTheyAre) {
  const at::Tensor weight = wave({8}, 0.1, at::kFloat), scaled_weight = weight.clone();
  const at::Tensor gradient = wave({8}, 0.5, at::kFloat), before = gradient.clone();
  AdamW with_scale({{"w", scaled_weight}}, {}), plain({{"w", weight}}, {});
  with_scale.step({gradient}, 0.1, 0.25);
  plain.step({gradient * 0.25}, 0.1);
  EXPECT_TRUE(at::equal(weight, scaled_weight));
  EXPECT_TRUE(at::equal(gradient, before));
}

TEST(AdamW, GoesOnFromASavedStateWithTheSameBits) {
  const at::Tensor weight = wave({9}, 0.1, at::kFloat), resumed_weight = weight.clone();
  AdamW optimizer({{"w", weight}}, {});
  optimizer.step({wave({9}, 1, at::kFloat)}, 0.1);
  resumed_weight.copy_(weight);
  AdamW resumed({{"w", resumed_weight}}, {});
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : optimizer.state()) state[name] = tensor.clone();
  resumed.load_state(state, optimizer.steps());
  optimizer.step({wave({9}, 2, at::kFloat)}, 0.1);
  resumed.step({wave({9}, 2, at::kFloat)}, 0.1);
  EXPECT_TRUE(at::equal(weight, resumed_weight));
}

at::Tensor sparse_gradient(const std::vector<int64_t>& rows, int64_t width, int64_t step) {
  const at::Tensor values_of_rows =
      wave({static_cast<int64_t>(rows.size()), width}, static_cast<double>(step), at::kFloat);
  return at::sparse_coo_tensor(at::tensor(rows).unsqueeze(0), values_of_rows, {40, width}).coalesce();
}

/// Rows that step `step` touches: some in each, some now and then, many never.
std::vector<int64_t> rows_of_step(int64_t step) { return {step % 3, 5 + step * 7 % 20, 30}; }

TEST(AdamW, UpdatesRowsLazilyWithTheBitsOfTheDenseUpdate) {
  for (const double weight_decay : {0.0, 0.1}) {
    const at::Tensor dense_weight = wave({40, 19}, 0.1, at::kFloat), lazy_weight = dense_weight.clone();
    AdamW dense({{"w", dense_weight}}, {0.9, 0.999, 1e-8, weight_decay});
    AdamW lazy({{"w", lazy_weight}}, {0.9, 0.999, 1e-8, weight_decay});
    for (int64_t step = 0; step < 60; ++step) {
      const at::Tensor rows = at::tensor(rows_of_step(step));
      lazy.catch_up(0, at::cat({rows, rows}));
      EXPECT_TRUE(at::equal(lazy_weight.index_select(0, rows), dense_weight.index_select(0, rows)));
      const at::Tensor gradient = sparse_gradient(rows_of_step(step), 19, step);
      const double learning_rate = 1e-2 / static_cast<double>(1 + step);
      dense.step({gradient.to_dense()}, learning_rate, 0.5);
      lazy.step({gradient}, learning_rate, 0.5);
    }
    EXPECT_FALSE(at::equal(lazy_weight, dense_weight));
    lazy.catch_up();
    EXPECT_TRUE(at::equal(lazy_weight, dense_weight));
    const auto lazy_state = lazy.state(), dense_state = dense.state();
    for (const auto& [name, tensor] : dense_state)
      EXPECT_TRUE(at::equal(lazy_state.at(name), tensor)) << name;
  }
}

TEST(AdamW, TakesASparseGradientOfAParameterWhoseReadsNobodyAnnounces) {
  const at::Tensor dense_weight = wave({40, 19}, 0.1, at::kFloat), weight = dense_weight.clone();
  AdamW dense({{"w", dense_weight}}, {}), sparse({{"w", weight}}, {});
  for (int64_t step = 0; step < 3; ++step) {
    const at::Tensor gradient = sparse_gradient(rows_of_step(step), 19, step);
    dense.step({gradient.to_dense()}, 0.1);
    sparse.step({gradient}, 0.1);
  }
  EXPECT_TRUE(at::equal(weight, dense_weight));
}

TEST(AdamW, TakesADenseGradientBetweenSparseOnes) {
  const at::Tensor dense_weight = wave({40, 19}, 0.1, at::kFloat), weight = dense_weight.clone();
  AdamW dense({{"w", dense_weight}}, {}), lazy({{"w", weight}}, {});
  for (int64_t step = 0; step < 5; ++step) {
    const at::Tensor gradient = sparse_gradient(rows_of_step(step), 19, step);
    dense.step({gradient.to_dense()}, 0.1);
    lazy.catch_up(0, at::tensor(rows_of_step(step)));
    lazy.step({step == 2 ? gradient.to_dense() : gradient}, 0.1);
  }
  lazy.catch_up();
  EXPECT_TRUE(at::equal(weight, dense_weight));
}

TEST(AdamW, RefusesAGradientOfARowThatWasReadBeforeItsUpdate) {
  AdamW optimizer({{"w", wave({40, 19}, 0.1, at::kFloat)}}, {});
  optimizer.catch_up(0, at::tensor(std::vector<int64_t>{1}));
  optimizer.step({sparse_gradient({1}, 19, 1)}, 0.1);
  EXPECT_THROW(optimizer.step({sparse_gradient({1, 2}, 19, 2)}, 0.1), c10::Error);
}

TEST(AdamW, RefusesARowThatTheParameterDoesNotHaveAndLosesNoUpdate) {
  const at::Tensor weight = wave({40, 19}, 0.1, at::kFloat), undisturbed = weight.clone();
  AdamW refusing({{"w", weight}}, {}), peer({{"w", undisturbed}}, {});
  for (int64_t step = 0; step < 4; ++step) {
    const at::Tensor gradient = sparse_gradient(rows_of_step(step), 19, step);
    for (AdamW* optimizer : {&refusing, &peer}) {
      optimizer->catch_up(0, at::tensor(rows_of_step(step)));
      optimizer->step({gradient}, 0.1);
    }
    EXPECT_THROW(refusing.catch_up(0, at::tensor(std::vector<int64_t>{0, 1, 2, 40})), c10::Error);
  }
  refusing.catch_up();
  peer.catch_up();
  EXPECT_TRUE(at::equal(weight, undisturbed));
}

TEST(AdamW, RefusesASparseGradientThatIsNotOfWholeRows) {
  const at::Tensor weight = wave({40, 19}, 0.1, at::kFloat);
  AdamW optimizer({{"w", weight}}, {});
  optimizer.catch_up(0, at::tensor(std::vector<int64_t>{0}));
  EXPECT_THROW(optimizer.step({at::ones({40, 19}).to_sparse()}, 0.1), c10::Error);
}

TEST(AdamW, NamesAMissingMoment) {
  AdamW optimizer({{"w", at::zeros({2})}}, {});
  try {
    optimizer.load_state({}, 3);
    FAIL() << "expected an error";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("exp_avg.w"), std::string::npos);
  }
}

TEST(Clipping, AgreesWithTorch) {
  std::vector<at::Tensor> gradients = {wave({40, 3}, 0.3, at::kFloat), wave({7}, 0.9, at::kFloat)};
  std::vector<at::Tensor> peers;
  for (const auto& gradient : gradients) {
    peers.push_back(at::zeros_like(gradient).set_requires_grad(true));
    peers.back().mutable_grad() = gradient.clone();
  }
  const double norm = global_norm(gradients);
  const double peer_norm = torch::nn::utils::clip_grad_norm_(peers, 0.5);
  EXPECT_NEAR(norm, peer_norm, 1e-6 * peer_norm);  // theirs is accumulated in float32
  for (size_t i = 0; i < gradients.size(); ++i) {
    EXPECT_TRUE(at::allclose(gradients[i] * clipping_coefficient(norm, 0.5), peers[i].grad(), 1e-5, 0));
  }
}

TEST(Clipping, LeavesSmallGradientsAndZeroMeansOff) {
  EXPECT_EQ(clipping_coefficient(0.5, 1.0), 1.0);
  EXPECT_EQ(clipping_coefficient(1e6, 0.0), 1.0);
  EXPECT_LT(clipping_coefficient(2.0, 1.0), 0.5);
}

TEST(GlobalNorm, DoesNotOverflowInFloat32) { EXPECT_NEAR(global_norm({at::full({4}, 1e30f)}), 2e30, 1e24); }

}  // namespace adamw_test
}  // namespace vcas::training
