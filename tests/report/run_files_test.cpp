#include "report/run_files.h"

#include <gtest/gtest.h>

#include <cmath>

#include "formats/support.h"
#include "report/report_support.h"

namespace vcas::report {
namespace run_files_test {

using formats::input_error;

TEST(ReadRun, AddsUpTimeAndSharesOutTheSummarysFlops) {
  const MadeRuns made;
  const auto run = read_run(made.finished("run", "exact", 1));
  ASSERT_EQ(run.metrics.size(), 2U);
  EXPECT_DOUBLE_EQ(run.metrics[0].seconds, 1);  // 10 steps of 100 ms
  EXPECT_DOUBLE_EQ(run.metrics[1].seconds, 3);
  EXPECT_DOUBLE_EQ(*run.metrics[1].flops_performed, 600);  // 30 of 40 steps, 800 in all
  EXPECT_TRUE(run.metrics[1].rho.empty());
  EXPECT_FALSE(run.metrics[1].v_act.has_value());
}

TEST(ReadRun, PrefersFlopsThatWereLogged) {
  const MadeRuns made;
  const auto run = read_run(made.finished("run", "exact", 1, 40, R"(,"flops_performed":7)"));
  EXPECT_DOUBLE_EQ(*run.metrics[1].flops_performed, 7);
}

TEST(ReadRun, TakesARunThatGoesOn) {
  const MadeRuns made;
  const auto folder = made.metrics("run");
  std::ofstream(folder / "metrics.jsonl", std::ios::app) << R"({"step":40,"lo)";
  const auto run = read_run(folder);
  EXPECT_EQ(run.metrics.size(), 2U);
  EXPECT_TRUE(run.summary.is_null());
  EXPECT_FALSE(run.metrics[1].flops_performed.has_value());
  made.write("begun/metrics.jsonl", "");
  EXPECT_TRUE(read_run(made.path() / "begun").metrics.empty());
}

TEST(ReadRun, ReadsRatiosVariancesEvaluationsAndProbes) {
  const MadeRuns made;
  const auto folder = made.metrics("run", kSampled);
  made.write("run/evaluations.jsonl", "{\"step\":30,\"loss\":0.7,\"accuracy\":0.5}\n");
  made.write("run/probe.jsonl", kProbe);
  const auto run = read_run(folder);
  EXPECT_EQ(run.metrics[0].rho, (std::vector<double>{0.5, 0.75}));
  EXPECT_EQ(run.metrics[0].nu.size(), 2U);
  EXPECT_EQ(run.metrics[0].act_var_tau, 0.025);
  EXPECT_EQ(run.evaluations.at(0).metrics.at("accuracy"), 0.5);
  EXPECT_EQ(run.probes.at(0).blocks.at(1).keep_ratio, (std::vector<double>{0.3, 0.7}));
}

TEST(ReadRun, TakesWhateverMetricsAnEvaluationHas) {
  const MadeRuns made;
  const auto folder = made.metrics("run");
  made.write("run/evaluations.jsonl", "{\"step\":30,\"examples\":9,\"loss\":4.2,\"perplexity\":null}\n");
  const auto evaluations = read_run(folder).evaluations;
  ASSERT_EQ(evaluations.size(), 1U);
  EXPECT_EQ(evaluations[0].step, 30);
  ASSERT_EQ(evaluations[0].metrics.size(), 2U);
  EXPECT_EQ(evaluations[0].metrics.at("loss"), 4.2);
  EXPECT_TRUE(std::isnan(evaluations[0].metrics.at("perplexity")));
}

TEST(ReadRun, ReadsNullAsNoNumber) {
  const MadeRuns made;
  made.write("run/metrics.jsonl", "{\"step\":1,\"loss\":null,\"step_ms\":5,\"rho\":null,\"v_act\":null}\n");
  const auto run = read_run(made.path() / "run");
  EXPECT_TRUE(std::isnan(run.metrics[0].loss));
  EXPECT_FALSE(run.metrics[0].v_act.has_value());
}

TEST(ReadRun, NamesFileLineAndKey) {
  const MadeRuns made;
  const auto error_of = [&](const char* file, const std::string& content) {
    made.metrics("run");
    made.write(std::string("run/") + file, content);
    const auto error = input_error([&] { read_run(made.path() / "run"); });
    std::filesystem::remove_all(made.path() / "run");
    return error.substr(std::min(error.find(file), error.size()));
  };
  const auto starts = [](const std::string& error, const char* with) {
    return error.starts_with(with) ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << error;
  };
  const std::string first = "{\"step\":1,\"loss\":1}\n";
  EXPECT_TRUE(
      starts(error_of("metrics.jsonl", first + "{\"step\":2,\"loss\"}\n"), "metrics.jsonl:2: not JSON"));
  EXPECT_TRUE(starts(error_of("metrics.jsonl", first + "{\"step\":2}\n"), "metrics.jsonl:2: key 'loss'"));
  EXPECT_TRUE(starts(error_of("metrics.jsonl", first + "{\"step\":0,\"loss\":1}\n"),
                     "metrics.jsonl:2: key 'step': expected a step from 1 on, got 0"));
  EXPECT_TRUE(starts(error_of("metrics.jsonl", "{\"step\":1,\"loss\":1,\"rho\":[\"a\"]}\n"),
                     "metrics.jsonl:1: key 'rho': expected an array of numbers"));
  EXPECT_TRUE(starts(error_of("evaluations.jsonl", "{\"step\":1,\"loss\":1,\"accuracy\":2}\n"),
                     "evaluations.jsonl:1: key 'accuracy'"));
  EXPECT_TRUE(starts(error_of("evaluations.jsonl", "{\"step\":1,\"accuracy\":0.5}\n"),
                     "evaluations.jsonl:1: key 'loss': expected a number or null"));
  EXPECT_TRUE(starts(error_of("evaluations.jsonl", "{\"step\":1,\"loss\":1,\"perplexity\":\"low\"}\n"),
                     "evaluations.jsonl:1: key 'perplexity'"));
  EXPECT_TRUE(starts(error_of("probe.jsonl", "{\"micro_batch\":0,\"s\":[0.5],\"v_sgd\":1,\"v_act\":[]}\n"),
                     "probe.jsonl:1: key 'v_act': expected an array of 1 numbers"));
  EXPECT_TRUE(starts(error_of("summary.json", "{\n\"method\":}"), "summary.json:2: not JSON"));
  EXPECT_TRUE(starts(error_of("summary.json", "{}"), "summary.json: key 'method'"));
  auto listed = summary_of("exact", 1);
  listed["eval_metrics"] = {{{"name", "loss"}}};
  EXPECT_TRUE(starts(error_of("summary.json", listed.dump()),
                     "summary.json: summary.eval_metrics: expected an array of {\"name\": text"));
}

TEST(ReadRun, RefusesProbesOfAnotherRun) {
  const MadeRuns made;
  made.metrics("run");
  std::string other = kProbe;
  other.replace(other.find("0.5,0.9"), 7, "0.4,0.9");
  made.write("run/probe.jsonl", kProbe + other);
  const auto error = input_error([&] { read_run(made.path() / "run"); });
  EXPECT_NE(error.find("probe.jsonl:2: key 's': expected those of the first line"), std::string::npos)
      << error;
}

}  // namespace run_files_test
}  // namespace vcas::report
