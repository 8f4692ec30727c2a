#include "training/run/run.h"

#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "formats/file.h"
#include "support/file_size_limit.h"
#include "support/temporary_folder.h"
#include "training/fake_task.h"
#include "training/run/checkpoint.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"
#include "vcas/nn/tensor_file.h"
#include "vcas/training/methods/vcas.h"

namespace vcas::training {
namespace run_test {

namespace fs = std::filesystem;
using testing::copies;
using testing::equal_tensors;
using testing::FakeRun;

class RunTest : public ::testing::Test {
 protected:
  static TrainOptions options_of(int64_t max_steps) {
    TrainOptions options;
    options.max_steps = max_steps;
    options.learning_rate = 0.01;
    options.lr_scheduler_type = SchedulerType::constant;
    options.logging_steps = 2;
    options.save_steps = 3;
    options.seed = 7;
    return options;
  }

  static control::ControllerOptions controller_options() {
    control::ControllerOptions options;
    options.cal_var_freq = 4;
    return options;
  }

  /// Runs to the end, or stops as by SIGTERM after `stop_after` steps of this run.
  RunResult execute(FakeRun& fake, const TrainOptions& options, const fs::path& output_dir,
                    const fs::path& resume = {}, int stop_after = 1 << 20) {
    fs::create_directories(output_dir);
    VcasMethod method(controller_options(), *fake.model, 7);
    RunSettings settings;
    settings.output_dir = output_dir;
    // Asked once a step: none is evaluated.
    int asked = 0;
    settings.requests.stop_signal = [&asked, stop_after] { return ++asked >= stop_after ? SIGTERM : 0; };
    settings.requests.take_save = [this, &asked] { return asked + 1 == save_asked_in_; };
    training::Run run(options, settings, fake.task, method);
    if (!resume.empty()) run.resume(resume);
    return run.execute();
  }

  static std::vector<nlohmann::json> lines(const fs::path& output_dir, const char* name = "metrics.jsonl") {
    std::ifstream file(output_dir / name);
    std::vector<nlohmann::json> result;
    for (std::string line; std::getline(file, line);) result.push_back(nlohmann::json::parse(line));
    return result;
  }

  TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path();
  int save_asked_in_ = 0;  ///< step during which a checkpoint is asked for
};

TEST_F(RunTest, LeavesModelMetricsEventsCheckpointsAndSummary) {
  FakeRun fake;
  execute(fake, options_of(7), folder_);
  EXPECT_TRUE(
      equal_tensors(nn::read_tensors(folder_ / "model.safetensors"), copies(fake.model->own_tensors())));
  const auto logged = lines(folder_);
  ASSERT_EQ(logged.size(), 4u);  // steps 2, 4, 6 and the last
  for (const char* key : {"step", "epoch", "loss", "learning_rate", "grad_norm", "step_ms", "flops_performed",
                          "s", "rho", "nu", "v_sgd", "v_act", "v_w", "act_var_tau", "w_var_tau"}) {
    EXPECT_TRUE(logged.back().contains(key)) << key;
  }
  EXPECT_EQ(logged.back().size(), 15u);
  EXPECT_EQ(logged.back()["step"], 7);
  EXPECT_TRUE(logged.back()["v_act"].is_number());
  std::vector<int64_t> steps;
  for (const auto& found : list_checkpoints(folder_)) steps.push_back(found.step);
  EXPECT_EQ(steps, (std::vector<int64_t>{7, 6, 3}));
  const auto summary = formats::read_json(folder_ / "summary.json");
  EXPECT_EQ(summary["method"], "vcas");
  EXPECT_EQ(summary["steps"], 7);
  EXPECT_TRUE(summary["eval_accuracy"].is_number());
  EXPECT_EQ(summary.size(), 19u);
  EXPECT_EQ(summary["settings"]["seed"], 7);
  EXPECT_DOUBLE_EQ(logged.back()["flops_performed"].get<double>(),
                   summary["flops"]["performed"].get<double>());
  const auto evaluations = lines(folder_, "evaluations.jsonl");
  ASSERT_FALSE(evaluations.empty());
  EXPECT_EQ(evaluations.back()["step"], 7);
  EXPECT_EQ(evaluations.back()["accuracy"], summary["eval_accuracy"]);
}

TEST_F(RunTest, StopsAfterTheStepInHandAndGoesOnWithTheSameBits) {
  FakeRun whole;
  const auto expected = execute(whole, options_of(9), folder_ / "whole");
  FakeRun stopped;
  const auto result = execute(stopped, options_of(9), folder_ / "stopped", {}, 5);
  EXPECT_EQ(result.signal, SIGTERM);
  EXPECT_EQ(result.checkpoint, folder_ / "stopped" / "checkpoint-5");
  EXPECT_FALSE(fs::exists(folder_ / "stopped" / "summary.json"));

  FakeRun resumed;
  const auto end =
      execute(resumed, options_of(9), folder_ / "stopped", newest_checkpoint(folder_ / "stopped"));
  EXPECT_EQ(end.signal, 0);
  EXPECT_TRUE(equal_tensors(copies(resumed.model->own_tensors()), copies(whole.model->own_tensors())));
  EXPECT_EQ(end.summary.train_loss, expected.summary.train_loss);
  EXPECT_EQ(end.summary.flops.performed, expected.summary.flops.performed);
  auto a = lines(folder_ / "whole"), b = lines(folder_ / "stopped");
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    a[i].erase("step_ms");
    b[i].erase("step_ms");
    EXPECT_EQ(a[i], b[i]);
  }
}

TEST_F(RunTest, SavesWhenItIsAskedAndGoesOn) {
  FakeRun fake;
  save_asked_in_ = 4;
  const auto result = execute(fake, options_of(6), folder_);
  EXPECT_EQ(result.signal, 0);
  std::vector<int64_t> steps;
  for (const auto& found : list_checkpoints(folder_)) steps.push_back(found.step);
  EXPECT_EQ(steps, (std::vector<int64_t>{6, 4, 3}));
}

TEST_F(RunTest, AnEvaluationThatAStopCutOffIsMadeUpFor) {
  auto options = options_of(4);
  options.eval_strategy = IntervalStrategy::steps;
  options.eval_steps = 2;
  FakeRun whole;
  execute(whole, options, folder_ / "whole");
  const auto expected = lines(folder_ / "whole", "evaluations.jsonl");
  ASSERT_EQ(expected.size(), 2u);
  FakeRun stopped;  // asked after step 1, and before the evaluation of step 2
  const auto result = execute(stopped, options, folder_ / "stopped", {}, 2);
  EXPECT_EQ(result.checkpoint, folder_ / "stopped" / "checkpoint-2");
  EXPECT_TRUE(lines(folder_ / "stopped", "evaluations.jsonl").empty());
  FakeRun resumed;
  execute(resumed, options, folder_ / "stopped", result.checkpoint);
  EXPECT_EQ(lines(folder_ / "stopped", "evaluations.jsonl"), expected);
}

TEST_F(RunTest, ACheckpointThatTheDiskRefusesDoesNotEndTraining) {
  FakeRun fake;
  const auto output = folder_ / "out";
  fs::create_directories(output);
  std::ofstream(output / "checkpoint-3") << "in the way";  // of a folder
  execute(fake, options_of(6), output);
  EXPECT_TRUE(fs::exists(output / "summary.json"));
  EXPECT_EQ(newest_checkpoint(output), checkpoint_path(output, 6));
  EXPECT_EQ(formats::read_file(output / "checkpoint-3"), "in the way");
}

TEST_F(RunTest, ARunWithoutItsLastCheckpointHasItsModelAndIsNotFinished) {
  FakeRun fake;
  const auto output = folder_ / "out";
  fs::create_directories(output);
  std::ofstream(output / "checkpoint-6") << "in the way";
  EXPECT_THROW(execute(fake, options_of(6), output), std::system_error);
  EXPECT_TRUE(fs::exists(output / "model.safetensors"));
  EXPECT_FALSE(fs::exists(output / "summary.json"));
  EXPECT_EQ(newest_checkpoint(output), checkpoint_path(output, 3));
}

TEST_F(RunTest, ACheckpointThatIsAskedForDuringTheLastEvaluationIsSaved) {
  FakeRun fake;
  auto options = options_of(4);
  options.save_strategy = IntervalStrategy::no;
  save_asked_in_ = 9;  // after 4 looks for a stop by the steps, one before the evaluation, 3 by its batches
  execute(fake, options, folder_);
  EXPECT_EQ(newest_checkpoint(folder_), checkpoint_path(folder_, 4));
}

// All files have the limit; the log is the largest that a run of this model writes besides the events.
TEST_F(RunTest, LinesThatTheDiskRefusedAreInTheCheckpoint) {
  auto options = options_of(200);
  options.logging_steps = 1;
  options.save_strategy = IntervalStrategy::no;
  FakeRun whole;
  execute(whole, options, folder_ / "whole");
  const auto size = fs::file_size(folder_ / "whole" / "metrics.jsonl");
  FakeRun refused;
  {
    const FileSizeLimit limit(size * 9 / 10);
    EXPECT_THROW(execute(refused, options, folder_ / "refused", {}, 199), std::system_error);
  }
  EXPECT_LE(fs::file_size(folder_ / "refused" / "metrics.jsonl"), size * 9 / 10);
  FakeRun resumed;
  execute(resumed, options, folder_ / "refused", newest_checkpoint(folder_ / "refused"));
  auto a = lines(folder_ / "whole"), b = lines(folder_ / "refused");
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i]["loss"], b[i]["loss"]) << i;
}

TEST_F(RunTest, CutsMetricsBackToTheCheckpoint) {
  FakeRun first;
  execute(first, options_of(8), folder_);
  std::ofstream(folder_ / "metrics.jsonl", std::ios::app) << "{\"step\":9,\"lo";  // as a crash leaves it
  FakeRun second;
  execute(second, options_of(8), folder_, checkpoint_path(folder_, 3));
  std::vector<int64_t> steps;
  for (const auto& line : lines(folder_)) steps.push_back(line["step"]);
  EXPECT_EQ(steps, (std::vector<int64_t>{2, 4, 6, 8}));
}

TEST_F(RunTest, KeepsTheNewestCheckpointsOnly) {
  FakeRun fake;
  auto options = options_of(9);
  options.save_total_limit = 2;
  execute(fake, options, folder_);
  const auto found = list_checkpoints(folder_);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].step, 9);
  EXPECT_EQ(found[1].step, 6);
}

TEST_F(RunTest, AutoTakesTheNewestCheckpointThatVerifies) {
  FakeRun fake;
  execute(fake, options_of(9), folder_);
  std::ofstream(folder_ / "checkpoint-9" / "optimizer.safetensors", std::ios::app) << "x";
  EXPECT_EQ(newest_checkpoint(folder_), checkpoint_path(folder_, 6));
  EXPECT_THROW(load_checkpoint(folder_ / "checkpoint-9"), formats::InputError);
  EXPECT_THROW(newest_checkpoint(folder_ / "checkpoint-6"), formats::InputError);
}

TEST_F(RunTest, RefusesACheckpointOfARunWithOtherOptions) {
  FakeRun fake;
  execute(fake, options_of(3), folder_);
  FakeRun other;
  auto options = options_of(6);
  options.gradient_accumulation_steps = 2;
  try {
    execute(other, options, folder_ / "other", checkpoint_path(folder_, 3));
    FAIL() << "expected InputError";
  } catch (const formats::InputError& error) {
    EXPECT_NE(std::string(error.what()).find("gradient_accumulation_steps: expected 1"), std::string::npos)
        << error.what();
  }
}

TEST_F(RunTest, NonFiniteLossLeavesTheLastCheckpointIntact) {
  FakeRun fake;
  execute(fake, options_of(3), folder_);
  FakeRun broken;
  broken.model->own_tensors().at("head.weight").detach().fill_(NAN);
  EXPECT_THROW(execute(broken, options_of(6), folder_), NonFiniteError);
  EXPECT_EQ(newest_checkpoint(folder_), checkpoint_path(folder_, 3));
  EXPECT_EQ(load_checkpoint(folder_ / "checkpoint-3").state.at("trainer").at("step"), 3);
}

TEST_F(RunTest, ACheckpointThatEndsTheRunIsEvaluatedOnResuming) {
  FakeRun fake;
  const auto first = execute(fake, options_of(6), folder_);
  FakeRun again;
  const auto second = execute(again, options_of(6), folder_, checkpoint_path(folder_, 6));
  EXPECT_EQ(second.summary.evaluation->find("loss")->value, first.summary.evaluation->find("loss")->value);
}

}  // namespace run_test
}  // namespace vcas::training
