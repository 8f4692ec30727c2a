#include "training/methods/probe.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sampling/variance.h"
#include "support/temporary_folder.h"
#include "training/fake_task.h"
#include "vcas/training/loop/trainer.h"
#include "vcas/training/methods/methods.h"

namespace vcas::training {
namespace probe_test {

using testing::equal_tensors;
using testing::FakeRun;

MethodOptions method_options(const std::string& name) {
  MethodOptions options;
  options.name = name;
  options.controller.cal_var_freq = 4;
  options.controller.act_var_tau = 0.5;
  return options;
}

std::unique_ptr<Method> probing(const FakeRun& run, const std::string& method, const ProbeOptions& options,
                                const std::filesystem::path& file) {
  return std::make_unique<ProbingMethod>(make_method(method_options(method), *run.model, 7), options, file,
                                         *run.model);
}

void train(FakeRun& run, Method& method, int64_t steps) {
  TrainOptions options;
  options.max_steps = 40;
  options.seed = 7;
  Trainer trainer(options, run.task, method);
  for (int64_t i = 0; i < steps; ++i) trainer.step();
  trainer.finish_updates();
}

std::vector<nlohmann::json> lines_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

TEST(ProbingMethod, TrainsWithTheBitsOfTheMethodAlone) {
  const TemporaryFolder folder;
  for (const char* name : {"exact", "vcas", "ub"}) {
    FakeRun alone, probed;
    const auto method = make_method(method_options(name), *alone.model, 7);
    train(alone, *method, 16);
    const auto probe = probing(probed, name, {.probe_steps = 3, .probe_batches = 2}, folder.path() / name);
    train(probed, *probe, 16);
    EXPECT_TRUE(equal_tensors(alone.model->own_tensors(), probed.model->own_tensors())) << name;
    EXPECT_GE(lines_of(folder.path() / name).size(), 4U) << name;
  }
}

TEST(ProbingMethod, WritesWhatTheGradientsLookLike) {
  const TemporaryFolder folder;
  FakeRun run;
  const ProbeOptions options{
      .probe_steps = 5, .probe_batches = 3, .s = {0.5, 0.9, 1}, .row_keep_ratio = {0.2, 1}};
  const auto probe = probing(run, "vcas", options, folder.path() / "probe.jsonl");
  train(run, *probe, 11);
  const auto lines = lines_of(folder.path() / "probe.jsonl");
  ASSERT_EQ(lines.size(), 2U);
  for (const auto& line : lines) {
    EXPECT_EQ(line.at("batches"), 3);
    const auto v_act = line.at("v_act").get<std::vector<double>>();
    EXPECT_GT(v_act[0], v_act[2]);
    EXPECT_LT(v_act[2], 1e-9 * line.at("v_sgd").get<double>()) << "s = 1 keeps every gradient";
    EXPECT_GT(line.at("v_sgd"), 0);
    const auto& block = line.at("blocks").at(0);
    const auto norms = block.at("gradient_norms").get<std::vector<double>>();
    EXPECT_TRUE(std::is_sorted(norms.begin(), norms.end()) && norms.size() == 7 && norms.back() > 0);
    const auto ratios = block.at("keep_ratio").get<std::vector<double>>();
    EXPECT_TRUE(0 < ratios[0] && ratios[0] < ratios[1] && ratios[1] < ratios[2] && ratios[2] <= 1);
    const auto& weight = line.at("weights").at("block.weight");
    EXPECT_GT(weight.at("v_w").at(0), 0);
    EXPECT_NEAR(weight.at("v_w").at(1).get<double>(), 0, 1e-12) << "every row kept";
    EXPECT_GT(weight.at("v_sgd"), 0);
    EXPECT_LE(weight.at("v_sgd"), line.at("v_sgd"));
    EXPECT_EQ(line.at("present").at("rho").size(), 1U);
  }
  EXPECT_EQ(lines[0].at("micro_batch"), 0);
  EXPECT_EQ(lines[1].at("micro_batch"), 5);
}

TEST(ProbingMethod, GoesOnBehindTheProbesBeforeAStop) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "probe.jsonl";
  std::ofstream(file) << R"({"micro_batch":-4})" << '\n' << R"({"micro_batch":0,"old":true})" << '\n';
  FakeRun run;
  const auto probe = probing(run, "exact", {.probe_steps = 5, .probe_batches = 2}, file);
  train(run, *probe, 8);
  const auto lines = lines_of(file);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].at("micro_batch"), -4);
  EXPECT_FALSE(lines[1].contains("old"));
  EXPECT_TRUE(lines[1].at("present").is_null());
}

TEST(ProbingMethod, RefusesOptionsOutOfRange) {
  FakeRun run;
  const std::filesystem::path file = "unused";
  EXPECT_ANY_THROW(probing(run, "exact", {.probe_batches = 1}, file));
  EXPECT_ANY_THROW(probing(run, "exact", {.s = {0.9, 0.5}}, file));
  EXPECT_ANY_THROW(probing(run, "exact", {.s = {0.5}, .reference_s = 0.9}, file));
  EXPECT_ANY_THROW(probing(run, "exact", {.row_keep_ratio = {0.5, 1.5}}, file));
}

}  // namespace probe_test
}  // namespace vcas::training
