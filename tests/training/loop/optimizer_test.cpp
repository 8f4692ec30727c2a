#include "vcas/training/loop/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/wave.h"
#include "training/gradient_descent.h"
#include "vcas/training/loop/adamw.h"

namespace vcas::training {
namespace optimizer_test {

using test::wave;
using testing::GradientDescent;

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, const at::Tensor& weight) {
  const std::vector<nn::Parameter> parameters = {{"w", weight}};
  if (name == "adamw") return std::make_unique<AdamW>(parameters, AdamWOptions{});
  return std::make_unique<GradientDescent>(parameters);
}

class Optimizers : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, Optimizers, ::testing::Values("adamw", "gradient_descent"));

TEST_P(Optimizers, MoveAgainstTheGradient) {
  const at::Tensor weight = wave({8}, 0.1), target = wave({8}, 0.9);
  const auto optimizer = make_optimizer(GetParam(), weight);
  const auto distance = [&] { return (weight - target).norm().item<double>(); };
  const double before = distance();
  for (int64_t i = 0; i < 20; ++i) optimizer->step({weight - target}, 0.01);
  EXPECT_LT(distance(), before);
  EXPECT_EQ(optimizer->steps(), 20);
}

TEST_P(Optimizers, GoOnFromAStateThatIsKnownByNameAlone) {
  const at::Tensor weight = wave({8}, 0.1), resumed_weight = weight.clone();
  const auto optimizer = make_optimizer(GetParam(), weight);
  optimizer->step({wave({8}, 1)}, 0.1, 0.5);
  resumed_weight.copy_(weight);
  nn::NamedTensors state;
  for (const auto& [name, tensor] : optimizer->state()) state[name] = tensor.clone();
  const auto resumed = make_optimizer(GetParam(), resumed_weight);
  resumed->load_state(state, optimizer->steps());
  optimizer->step({wave({8}, 2)}, 0.1, 0.5);
  resumed->step({wave({8}, 2)}, 0.1, 0.5);
  EXPECT_TRUE(at::equal(weight, resumed_weight));
  EXPECT_EQ(resumed->steps(), 2);
}

}  // namespace optimizer_test
}  // namespace vcas::training
