#include "report/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace vcas::report {
namespace comparison_test {

nlohmann::json summary_with(double train_loss, double seconds, double flops_reduction) {
  return {{"train_loss", train_loss},
          {"train_seconds", seconds},
          {"adaptation_seconds", 0.02 * seconds},
          {"peak_rss_bytes", 1 << 30},
          {"flops",
           {{"exact", 100}, {"performed", 100 * (1 - flops_reduction)}, {"reduction", flops_reduction}}}};
}

ComparedRun run_of(const std::string& method, uint64_t seed, double loss, double accuracy, double seconds,
                   double flops_reduction, const std::string& correct) {
  auto summary = summary_with(loss, seconds, flops_reduction);
  summary["eval_accuracy"] = accuracy;
  // As files from before metrics had names.
  return ComparedRun::from_json(
      {{"method", method}, {"seed", seed}, {"summary", summary}, {"correct", correct}});
}

/// Of a language model, which has no accuracy.
ComparedRun language_run(const std::string& method, uint64_t seed, const std::vector<double>& losses) {
  const double loss = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  auto summary = summary_with(loss, 100, method == "exact" ? 0 : 0.4);
  summary["eval_loss"] = loss;
  summary["eval_perplexity"] = std::exp(loss);
  summary["eval_metrics"] = {{{"name", "loss"}, {"greater_is_better", false}},
                             {{"name", "perplexity"}, {"greater_is_better", false}}};
  return {method, seed, summary, {{"loss", losses}}};
}

std::vector<ComparedRun> language_runs() {
  return {language_run("exact", 1, {2, 3, 4, 5}), language_run("exact", 2, {2.5, 3.5, 4.5, 5.5}),
          language_run("vcas", 1, {2.1, 3.4, 4.2, 5.1}), language_run("vcas", 2, {2.6, 3.7, 4.7, 5.8})};
}

std::vector<ComparedRun> runs() {
  return {run_of("exact", 1, 0.50, 0.75, 100, 0, "1110"), run_of("exact", 2, 0.52, 0.75, 120, 0, "1101"),
          run_of("vcas", 2, 0.53, 0.50, 84, 0.4, "1001"), run_of("vcas", 1, 0.51, 0.75, 72, 0.4, "1110")};
}

TEST(CompareMethods, PairsRunsBySeed) {
  const auto results = compare_methods(runs());
  ASSERT_EQ(results.size(), 2U);
  const auto &exact = results[0], &vcas = results[1];
  EXPECT_EQ(exact.method, "exact");
  EXPECT_FALSE(exact.time_reduction.has_value());
  EXPECT_DOUBLE_EQ(vcas.train_loss.mean, 0.52);
  EXPECT_DOUBLE_EQ(vcas.flops_reduction.mean, 0.4);
  EXPECT_NEAR(vcas.time_reduction->mean, (0.28 + 0.3) / 2, 1e-12);  // 72 of 100, 84 of 120
  EXPECT_NEAR(*vcas.time_per_flops, 0.29 / 0.4, 1e-12);
  EXPECT_NEAR(vcas.adaptation_share.mean, 0.02, 1e-12);
  EXPECT_NEAR(vcas.train_loss_by_seed->difference, 0.01, 1e-12);
  const auto& accuracy = *vcas.find("accuracy");
  EXPECT_NEAR(accuracy.by_seed->difference, -0.125, 1e-12);
  EXPECT_EQ(accuracy.by_example->pairs, 4);
  EXPECT_NEAR(accuracy.by_example->difference, -0.125, 1e-12);  // one of eight
}

TEST(CompareMethods, DoesWithoutExactRunsAndWithoutEvaluation) {
  auto alone = runs();
  alone.erase(alone.begin(), alone.begin() + 2);
  for (auto& run : alone) {
    run.summary["eval_accuracy"] = nullptr;
    run.per_example.clear();
  }
  const auto results = compare_methods(alone);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_TRUE(results[0].metrics.empty());
  EXPECT_FALSE(results[0].train_loss_by_seed.has_value());
  EXPECT_TRUE(to_json(results[0]).at("time_reduction").is_null());
}

TEST(CompareMethods, OfASingleSeedHasNoTest) {
  auto single = runs();
  single.erase(single.begin() + 1, single.begin() + 3);
  const auto vcas = compare_methods(single)[1];
  EXPECT_FALSE(vcas.train_loss_by_seed->p_value.has_value());
  EXPECT_FALSE(vcas.train_loss.deviation.has_value());
  EXPECT_TRUE(vcas.find("accuracy")->by_example->p_value.has_value()) << "examples are pairs too";
}

TEST(ComparedRun, HoldsZerosAndOnesAsTextAndOtherValuesAsNumbers) {
  const auto older = runs()[3].to_json();
  EXPECT_EQ(older["per_example"], nlohmann::json({{"accuracy", "1110"}}));
  const auto language = language_runs()[2];
  EXPECT_EQ(language.to_json()["per_example"]["loss"], nlohmann::json({2.1, 3.4, 4.2, 5.1}));
  EXPECT_EQ(ComparedRun::from_json(language.to_json()).per_example, language.per_example);
  auto unknown = language.to_json();
  unknown["per_example"]["loss"][0] = nullptr;  // as JSON has what is not finite
  EXPECT_TRUE(std::isnan(ComparedRun::from_json(unknown).per_example.at("loss")[0]));
}

TEST(ComparedRun, RefusesValuesAndDirectionsOfAnotherForm) {
  const auto error_of = [](const char* pointer, const nlohmann::json& value) {
    auto json = language_runs()[0].to_json();
    json[nlohmann::json::json_pointer(pointer)] = value;
    try {
      ComparedRun::from_json(json);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(error_of("/per_example/loss", "012"),
            "per_example.loss: expected a text of 0 and 1 or an array of numbers, got \"012\"");
  EXPECT_NE(error_of("/per_example/loss", {1, "x"}).find("per_example.loss"), std::string::npos);
  EXPECT_NE(error_of("/per_example/loss", 1).find("per_example.loss"), std::string::npos);
  EXPECT_NE(error_of("/summary/eval_metrics", "loss").find("summary.eval_metrics: expected an array"),
            std::string::npos);
  EXPECT_NE(error_of("/summary/eval_metrics/0/greater_is_better", 1).find("summary.eval_metrics"),
            std::string::npos);
}

TEST(ComparedRun, RoundTripsAndNamesWhatIsMissing) {
  const auto run = runs()[3];
  const auto read = ComparedRun::from_json(run.to_json());
  EXPECT_EQ(read.to_json(), run.to_json());
  auto broken = run.to_json();
  broken["summary"]["flops"].erase("reduction");
  try {
    ComparedRun::from_json(broken);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "summary.flops.reduction: expected a number, got null");
  }
}

TEST(CompareMethods, TestsRealValuesByExample) {
  const auto vcas = compare_methods(language_runs())[1];
  ASSERT_EQ(vcas.metrics.size(), 2U);
  // Means over the seeds: 0.1, 0.3, 0.2, 0.2 more than by exact training; sd 0.0816497, t(3) = 0.2 /
  // 0.0408248 = √24, p = 1 - 2/π (θ + sin θ cos θ) with tan θ = √8.
  const auto& by_example = *vcas.find("loss")->by_example;
  EXPECT_EQ(by_example.pairs, 4);
  EXPECT_NEAR(by_example.difference, 0.2, 1e-12);
  EXPECT_NEAR(*by_example.standard_error, 0.0408248, 1e-7);
  EXPECT_NEAR(*by_example.p_value, 0.0162766, 1e-7);
  EXPECT_TRUE(vcas.find("perplexity")->by_seed.has_value());
  EXPECT_FALSE(vcas.find("perplexity")->by_example.has_value()) << "of no single example";
}

TEST(CompareMethods, DoesWithoutATestWhereExamplesDoNotFitTogether) {
  auto uneven = language_runs();
  uneven[3].per_example["loss"].pop_back();
  EXPECT_FALSE(compare_methods(uneven)[1].find("loss")->by_example.has_value());
  auto diverged = language_runs();
  diverged[2].per_example["loss"][1] = INFINITY;
  EXPECT_FALSE(compare_methods(diverged)[1].find("loss")->by_example.has_value());
}

TEST(CompareMethods, HasTheMetricsThatAllRunsOfAMethodHave) {
  auto mixed = language_runs();
  mixed[3].summary["eval_perplexity"] = nullptr;
  const auto results = compare_methods(mixed);
  EXPECT_NE(results[0].find("perplexity"), nullptr);
  EXPECT_EQ(results[1].find("perplexity"), nullptr);
  const auto cells = comparison_cells(results);
  EXPECT_EQ(cells[2][3], "-");
}

TEST(MethodResult, IsJsonByTheNamesOfItsMetrics) {
  const auto json = to_json(compare_methods(language_runs())[1]);
  EXPECT_FALSE(json.contains("eval_accuracy"));
  EXPECT_NEAR(json["eval_loss"]["mean"].get<double>(), 3.95, 1e-12);
  EXPECT_EQ(json["against_exact"]["loss_by_example"]["pairs"], 4);
  EXPECT_TRUE(json["against_exact"]["perplexity_by_example"].is_null());
  EXPECT_EQ(to_json(compare_methods(runs())[1])["against_exact"]["accuracy_by_example"]["pairs"], 4);
}

TEST(ComparisonTable, HasARowAMethodOfEqualWidth) {
  const auto table = comparison_table(compare_methods(runs()));
  EXPECT_NE(table.find("0.5200 ± 0.0141"), std::string::npos) << table;
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3);
  EXPECT_NE(table.find("29.0 ± 1.4"), std::string::npos) << table;
  EXPECT_NE(table.find("62.50 ± 17.68"), std::string::npos) << table;
}

std::vector<std::string> header_of(const std::vector<ComparedRun>& compared) {
  return comparison_cells(compare_methods(compared)).front();
}

using Cells = std::vector<std::string>;

TEST(ComparisonTable, ShowsTheTasksMetricAndItsDirection) {
  EXPECT_EQ(header_of(runs()),
            (Cells{"method", "runs", "train loss", "accuracy % ↑", "p by seed", "p by example",
                   "FLOPs saved %", "time saved %", "time/FLOPs", "seconds", "peak MiB"}));
  const auto cells = comparison_cells(compare_methods(language_runs()));
  EXPECT_EQ(Cells(cells[0].begin() + 3, cells[0].begin() + 6),
            (Cells{"perplexity ↓", "p by seed", "p by example of loss"}));
  EXPECT_EQ(cells[2][3], "53.5668 ± 18.5538");  // of exp(3.7) and exp(4.2)
  EXPECT_EQ(cells[2][5], "0.016");
  EXPECT_EQ(cells[1][5], "-") << "exact training is compared with nothing";
}

TEST(ComparisonTable, TakesAMetricOfAnyNameAndDirection) {
  auto own = language_runs();
  for (auto& run : own) {
    run.summary["eval_metrics"][1] = {{"name", "bits_saved"}, {"greater_is_better", true}};
    run.summary["eval_bits_saved"] = 7;
  }
  EXPECT_EQ(header_of(own)[3], "bits_saved ↑");
  for (auto& run : own) run.summary.erase("eval_metrics");
  EXPECT_EQ(header_of(own)[3], "bits_saved") << "of no known direction";
}

TEST(ComparisonTable, HasTheLossWhereNothingElseIsMeasuredAndNoColumnWhereNothingIs) {
  auto runs_of_loss = language_runs();
  for (auto& run : runs_of_loss) {
    run.summary.erase("eval_metrics");
    run.summary.erase("eval_perplexity");
  }
  EXPECT_EQ(header_of(runs_of_loss)[3], "evaluation loss ↓");
  for (auto& run : runs_of_loss) run.summary.erase("eval_loss");
  EXPECT_EQ(header_of(runs_of_loss)[3], "FLOPs saved %");
}

}  // namespace comparison_test
}  // namespace vcas::report
