#include "vcas/training/loop/trainer.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>

#include "training/fake_task.h"
#include "training/gradient_descent.h"
#include "vcas/formats/error.h"
#include "vcas/training/loop/adamw.h"
#include "vcas/training/loop/batch_source.h"
#include "vcas/training/methods/exact.h"
#include "vcas/training/methods/methods.h"
#include "vcas/training/methods/vcas.h"

namespace vcas::training {
namespace trainer_test {

using testing::copies;
using testing::equal_tensors;
using testing::FakeRun;
using testing::GradientDescent;

TrainOptions options_of(int64_t accumulation = 1) {
  TrainOptions options;
  options.learning_rate = 0.02;
  options.weight_decay = 0.01;
  options.max_steps = 24;
  options.warmup_steps = 3;
  options.gradient_accumulation_steps = accumulation;
  options.seed = 7;
  return options;
}

std::unique_ptr<Method> make_method(const std::string& name, const FakeRun& run) {
  MethodOptions options;
  options.name = name == "vcas-paper" ? "vcas" : name;
  options.controller.policy = name == "vcas-paper" ? control::Policy::paper : control::Policy::solve;
  options.controller.cal_var_freq = 4;
  options.controller.act_var_tau = 0.5;  // so much that sampling sets in within a few steps
  options.selective_backprop.history_size = 20;
  return training::make_method(options, *run.model, 7);
}

/// @param sparse the embedding's gradient is sparse, and its rows are updated when they are read.
nn::NamedTensors weights_after(const std::string& method_name, int64_t accumulation, bool sparse,
                               int64_t steps) {
  FakeRun run(94, sparse);
  const auto method = make_method(method_name, run);
  Trainer trainer(options_of(accumulation), run.task, *method);
  for (int64_t i = 0; i < steps; ++i) trainer.step();
  trainer.finish_updates();
  return copies(run.model->own_tensors());
}

/// Stops after `stop` steps, carries the state over to new objects, goes on.
nn::NamedTensors weights_after_stop(const std::string& method_name, int64_t accumulation, bool sparse,
                                    int64_t steps, int64_t stop) {
  FakeRun first(94, sparse);
  const auto first_method = make_method(method_name, first);
  Trainer before(options_of(accumulation), first.task, *first_method);
  for (int64_t i = 0; i < stop; ++i) before.step();
  TrainerState state = before.state();
  state.numbers = nlohmann::json::parse(state.numbers.dump());
  state.optimizer = copies(state.optimizer);
  state.tensors = copies(state.tensors);

  FakeRun second(94, sparse);
  for (auto& [name, tensor] : second.model->own_tensors()) {
    tensor.detach().copy_(first.model->own_tensors().at(name).detach());
  }
  const auto second_method = make_method(method_name, second);
  Trainer after(options_of(accumulation), second.task, *second_method);
  after.load_state(state);
  for (int64_t i = stop; i < steps; ++i) after.step();
  after.finish_updates();
  return copies(second.model->own_tensors());
}

struct ResumeCase {
  const char* method;
  int64_t accumulation;
  bool sparse = false;
};

class ResumedTraining : public ::testing::TestWithParam<ResumeCase> {};

// With F = 4 and M = 2 the stops lie before, inside and after an adaptation's window, and across an epoch's
// end.
TEST_P(ResumedTraining, HasTheBitsOfAnUninterruptedRunWhereverItStops) {
  const auto [method, accumulation, sparse] = GetParam();
  constexpr int64_t kSteps = 14;
  const auto expected = weights_after(method, accumulation, sparse, kSteps);
  for (int64_t stop = 0; stop < kSteps; ++stop) {
    EXPECT_TRUE(equal_tensors(weights_after_stop(method, accumulation, sparse, kSteps, stop), expected))
        << "stop " << stop;
  }
}

TEST_P(ResumedTraining, RepeatsItselfBitForBit) {
  const auto [method, accumulation, sparse] = GetParam();
  EXPECT_TRUE(equal_tensors(weights_after(method, accumulation, sparse, 10),
                            weights_after(method, accumulation, sparse, 10)));
}

INSTANTIATE_TEST_SUITE_P(Methods, ResumedTraining,
                         ::testing::Values(ResumeCase{"exact", 1}, ResumeCase{"exact", 3},
                                           ResumeCase{"vcas", 1}, ResumeCase{"vcas", 3},
                                           ResumeCase{"vcas-paper", 1}, ResumeCase{"vcas-paper", 3},
                                           ResumeCase{"sb", 1}, ResumeCase{"sb", 3}, ResumeCase{"ub", 1},
                                           ResumeCase{"ub", 3}, ResumeCase{"exact", 3, true},
                                           ResumeCase{"vcas", 1, true}, ResumeCase{"vcas", 3, true}));

TEST(Trainer, UpdatesSparseRowsAsDenseOnesOnceUpdatesAreFinished) {
  for (const int64_t accumulation : {1, 3}) {
    const auto dense = weights_after("exact", accumulation, false, 14);
    const auto sparse = weights_after("exact", accumulation, true, 14);
    // Gradients of repeated words may be summed in another order: some roundings at 2^-24 of weights of order
    // one.
    for (const auto& [name, tensor] : dense)
      EXPECT_TRUE(at::allclose(sparse.at(name), tensor, 1e-5, 1e-6)) << name;
  }
}

TEST(Trainer, TakesAnOptimizerOfTheCaller) {
  FakeRun run;
  auto options = options_of();
  options.warmup_steps = 0;
  options.max_grad_norm = 0;
  const auto parameters = run.model->trainable_parameters();
  const at::Tensor value = parameters.front().value, before = value.detach().clone();
  ExactMethod method;
  const auto batch = BatchSource(run.task, method, options).take({});
  const auto gradient = run.forward(*batch, {.seed = options.seed}).pass.backward({}).gradients.front();
  Trainer trainer(options, run.task, method, std::make_unique<GradientDescent>(parameters));
  trainer.step();
  EXPECT_TRUE(at::allclose(value, before - options.learning_rate * gradient, 1e-6, 1e-8));
  EXPECT_EQ(trainer.state().numbers.at("optimizer_steps"), 1);
}

TEST(Trainer, LeavesRowsBehindUntilUpdatesAreFinished) {
  FakeRun run(94, /*sparse=*/true);
  ExactMethod method;
  Trainer trainer(options_of(), run.task, method);
  for (int64_t i = 0; i < 5; ++i) trainer.step();
  const auto waiting = copies(run.model->own_tensors());
  trainer.finish_updates();
  EXPECT_FALSE(equal_tensors(waiting, run.model->own_tensors()));  // decay at least was still due
}

TEST(Trainer, VcasComesToSampleAndCountsItsAdaptations) {
  FakeRun run;
  const auto method = make_method("vcas", run);
  Trainer trainer(options_of(), run.task, *method);
  RunHistory history;
  for (int64_t i = 0; i < 24; ++i) history.add(trainer.step());
  ASSERT_TRUE(method->status().has_value());
  EXPECT_LT(method->status()->sample_keep_ratio.at(0), 1.0);
  EXPECT_TRUE(method->status()->row_keep_ratio.contains("block.weight"));
  EXPECT_TRUE(method->status()->last_adaptation.has_value());
  EXPECT_DOUBLE_EQ(history.flops().exact, 24 * 300.0);
  EXPECT_NE(history.flops().performed, history.flops().exact);
  EXPECT_GT(history.adaptation_seconds(), 0);
  EXPECT_LT(history.adaptation_seconds(), history.train_seconds());
}

TEST(Trainer, AdaptationStepsApplyTheExactGradient) {
  // Every micro-batch adapts, so that vcas never takes a sampled step.
  FakeRun exact_run, vcas_run;
  ExactMethod exact;
  control::ControllerOptions controller;
  controller.cal_var_freq = 2;
  VcasMethod vcas(controller, *vcas_run.model, 7);
  Trainer exact_trainer(options_of(), exact_run.task, exact), vcas_trainer(options_of(), vcas_run.task, vcas);
  for (int64_t i = 0; i < 2; ++i) {
    exact_trainer.step();
    vcas_trainer.step();
  }
  EXPECT_TRUE(equal_tensors(exact_run.model->own_tensors(), vcas_run.model->own_tensors()));
}

TEST(Trainer, AccumulatedStepAppliesTheMeanOfItsMicroBatches) {
  FakeRun run, reference;
  ExactMethod exact;
  auto options = options_of(3);
  options.max_grad_norm = 0;
  options.warmup_steps = 0;
  Trainer(options, run.task, exact).step();

  std::vector<at::Tensor> mean;
  BatchSource source(reference.task, exact, options);
  for (int64_t index = 0; index < 3; ++index) {
    auto batch = reference.forward(*source.take({0, index, index}), {options.seed, index});
    const auto gradients = exact.backward(batch, 1).gradients;
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (index == 0) {
        mean.push_back(gradients[i] / 3);
      } else {
        mean[i] += gradients[i] / 3;
      }
    }
  }
  AdamW optimizer(reference.model->trainable_parameters(),
                  {options.adam_beta1, options.adam_beta2, options.adam_epsilon, options.weight_decay});
  optimizer.step(mean, options.learning_rate);
  for (const auto& [name, tensor] : reference.model->own_tensors()) {
    // The order of rounding differs. Adam's first step is the sign of the gradient, times the learning rate.
    EXPECT_TRUE(at::allclose(run.model->own_tensors().at(name), tensor, 1e-5, 1e-6)) << name;
  }
}

TEST(Trainer, LastStepOfAnEpochTakesTheMicroBatchesThatAreLeft) {
  FakeRun run;  // 94 texts in batches of 8: 12 micro-batches, and 5 to a step: 3 steps
  ExactMethod exact;
  auto options = options_of(5);
  options.max_steps = -1;
  options.num_train_epochs = 1.5;
  Trainer trainer(options, run.task, exact);
  EXPECT_EQ(trainer.steps_per_epoch(), 3);
  EXPECT_EQ(trainer.total_steps(), 5);
  EXPECT_DOUBLE_EQ(trainer.step().flops.exact, 5 * 300.0);
  EXPECT_DOUBLE_EQ(trainer.step().flops.exact, 5 * 300.0);
  EXPECT_DOUBLE_EQ(trainer.step().flops.exact, 2 * 300.0);
  EXPECT_DOUBLE_EQ(trainer.epoch(), 1.0);
}

TEST(Trainer, LearnsTheFakeTask) {
  FakeRun run;
  ExactMethod exact;
  auto options = options_of();
  options.max_steps = 120;
  Trainer trainer(options, run.task, exact);
  const double before = run.task.evaluate()->find("loss")->value;
  for (int64_t i = 0; i < 120; ++i) trainer.step();
  EXPECT_LT(run.task.evaluate()->find("loss")->value, 0.8 * before);
}

TEST(Trainer, StopsAtANonFiniteLossAndNamesStepAndExamples) {
  FakeRun run;
  ExactMethod exact;
  Trainer trainer(options_of(), run.task, exact);
  trainer.step();
  const auto second_batch = list_examples(*BatchSource(run.task, exact, options_of()).take({0, 1, 1}));
  run.model->own_tensors().at("head.weight").detach().fill_(std::numeric_limits<float>::quiet_NaN());
  const auto before = copies(run.model->own_tensors());
  try {
    trainer.step();
    FAIL() << "expected NonFiniteError";
  } catch (const NonFiniteError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("step 2"), std::string::npos) << message;
    EXPECT_NE(message.find("epoch 1, micro-batch 1: examples " + second_batch), std::string::npos) << message;
    EXPECT_NE(message.find("not finite: weight head.weight"), std::string::npos) << message;
  }
  EXPECT_TRUE(
      at::equal(before.at("embedding.weight"), run.model->own_tensors().at("embedding.weight").detach()));
  EXPECT_EQ(trainer.steps_done(), 1);
}

TEST(Trainer, NamesAWeightThatTheLastStepMadeInfinite) {
  FakeRun run;
  ExactMethod exact;
  Trainer trainer(options_of(), run.task, exact);
  trainer.step();
  EXPECT_NO_THROW(trainer.require_finite_weights());
  run.model->own_tensors().at("head.weight").detach().fill_(std::numeric_limits<float>::infinity());
  try {
    trainer.require_finite_weights();
    FAIL() << "expected NonFiniteError";
  } catch (const NonFiniteError& error) {
    EXPECT_NE(std::string(error.what()).find("head.weight"), std::string::npos) << error.what();
  }
}

TEST(Trainer, RefusesMoreMicroBatchesThanStreamsCount) {
  FakeRun run;
  ExactMethod exact;
  auto options = options_of();
  options.max_steps = int64_t{1} << 32;
  EXPECT_THROW(Trainer(options, run.task, exact), formats::InputError);
  options.max_steps = -1;
  options.num_train_epochs = 1e300;
  EXPECT_THROW(Trainer(options, run.task, exact), formats::InputError);
}

TEST(Trainer, ForgetsTheGradientsOfAStepThatThrew) {
  FakeRun run, reference;
  ExactMethod exact;
  Trainer trainer(options_of(2), run.task, exact), unbroken(options_of(2), reference.task, exact);
  BatchSource source(run.task, exact, options_of());
  const auto first = source.take({0, 0, 0}), second = source.take({0, 1, 1});
  auto weight = run.model->own_tensors().at("embedding.weight");
  const auto sound = weight.clone();
  // A word of the second micro-batch alone: the first one's gradient is there when the step throws.
  const auto words = static_cast<const models::TextBatch&>(*second).token_ids;
  const auto others = static_cast<const models::TextBatch&>(*first).token_ids;
  const auto alone = words.masked_select(at::isin(words, others).logical_not());
  ASSERT_GT(alone.numel(), 0);
  weight.index_fill_(0, alone, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THROW(trainer.step(), NonFiniteError);
  weight.copy_(sound);
  trainer.step();
  unbroken.step();
  EXPECT_TRUE(equal_tensors(run.model->own_tensors(), reference.model->own_tensors()));
}

TEST(Trainer, RefusesOptionsOutOfRange) {
  FakeRun run;
  ExactMethod exact;
  EXPECT_THROW(Trainer(options_of(0), run.task, exact), std::invalid_argument);
}

}  // namespace trainer_test
}  // namespace vcas::training
