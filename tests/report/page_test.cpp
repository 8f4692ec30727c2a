#include "report/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/chart.h"
#include "report/report_support.h"

namespace vcas::report {
namespace page_test {

using nlohmann::json;

/// The chart of that id in the first view of a section; null without.
json chart_of(const json& content, const std::string& section_id, const std::string& id) {
  for (const auto& section : content.at("sections")) {
    if (section.at("id") != section_id) continue;
    for (const auto& chart : section.at("views").at(0).at("charts")) {
      if (chart.at("id") == id) return chart;
    }
  }
  return nullptr;
}

TEST(ReportContent, ShowsLossOverStepsTimeAndWork) {
  const MadeRuns made;
  const auto content = report_content(read_run_sets({made.finished("run", "exact", 1)}));
  const auto x_of = [&](const char* id) { return chart_of(content, "training", id)["data"][0]["x"]; };
  EXPECT_EQ(x_of("loss-over-steps"), json({10.0, 30.0}));
  EXPECT_EQ(x_of("loss-over-time"), json({1.0, 3.0}));
  EXPECT_EQ(x_of("loss-over-flops"), json({200.0, 600.0}));
  const auto chart = chart_of(content, "training", "loss-over-steps");
  EXPECT_EQ(chart["data"][0]["y"], json({2.5, 1.5}));
  EXPECT_EQ(chart["columns"], json({"series", "step", "training loss"}));
  EXPECT_EQ(chart_of(content, "training", "accuracy")["data"][0]["y"], json({0.75})) << "the summary's";
  EXPECT_EQ(content["sections"].size(), 1U) << "nothing was sampled or probed";
  EXPECT_TRUE(content["tables"].empty()) << "nothing to compare with";
}

TEST(ReportContent, TakesRunsWithoutAccuracy) {
  const MadeRuns made;
  std::vector<std::filesystem::path> folders = {made.finished("classifier", "exact", 1)};
  for (const char* method : {"exact", "vcas"}) {
    const std::string run = std::string("language/") + method + "-seed-1";
    folders.push_back(made.finished(run, method, 1));
    made.write(run + "/summary.json", language_summary(method, 1).dump());
    made.write(run + "/evaluations.jsonl", "{\"step\":30,\"loss\":3.5,\"perplexity\":33.1154}\n");
  }
  const auto alone = report_content(read_run_sets({folders[1]}));
  EXPECT_TRUE(chart_of(alone, "training", "accuracy").is_null());
  const auto perplexity = chart_of(alone, "training", "perplexity");
  EXPECT_EQ(perplexity["data"][0]["y"], json({33.1154}));
  EXPECT_EQ(perplexity["title"], "Perplexity on held-out examples");
  EXPECT_EQ(perplexity["note"], "Smaller is better.");
  EXPECT_EQ(chart_of(alone, "training", "evaluation-loss")["data"][0]["y"], json({3.5}));
  const auto compared = report_content(read_run_sets({made.path() / "language"}))["tables"];
  EXPECT_EQ(compared[0]["header"][3], "perplexity ↓");
  EXPECT_NE(compared[0]["note"].get<std::string>().find("t-test of perplexity"), std::string::npos);
  EXPECT_EQ(compared[1]["rows"][1], json({"vcas", "perplexity, by seed", "+0", "-", "-", "1"}));
  const auto all = report_content(read_run_sets(folders))["runs"];
  EXPECT_EQ(all["header"], json({"run", "method", "steps", "train loss", "evaluation loss", "accuracy % ↑",
                                 "perplexity ↓", "seconds", "FLOPs saved %", "peak MiB"}));
  EXPECT_EQ(all["rows"][0][5], "75.00");
  EXPECT_EQ(all["rows"][0][6], "-");
  EXPECT_EQ(all["rows"][1][5], "-");
  EXPECT_EQ(all["rows"][1][6], "33.1154");
}

TEST(ReportContent, SaysWhichDirectionIsBetter) {
  const MadeRuns made;
  const auto content = report_content(read_run_sets({made.finished("run", "exact", 1)}));
  EXPECT_EQ(chart_of(content, "training", "accuracy")["note"], "Greater is better.");
  EXPECT_EQ(chart_of(content, "training", "evaluation-loss")["note"], "Smaller is better.");
  EXPECT_EQ(content["runs"]["header"][5], "accuracy % ↑");
}

TEST(ReportContent, ShowsEvaluationsOfARunUnderWay) {
  const MadeRuns made;
  const auto folder = made.metrics("run");
  made.write("run/evaluations.jsonl", "{\"step\":30,\"loss\":3.5,\"macro_f1\":0.25}\n");
  const auto content = report_content(read_run_sets({folder}));
  const auto chart = chart_of(content, "training", "macro-f1");
  EXPECT_EQ(chart["data"][0]["y"], json({0.25}));
  EXPECT_EQ(chart["title"], "Macro-F1 on held-out examples");
  EXPECT_EQ(content["runs"]["header"].size(), content["runs"]["rows"][0].size());
}

TEST(ReportContent, OfARunThatGoesOnHasWhatIsThere) {
  const MadeRuns made;
  const auto content = report_content(read_run_sets({made.metrics("run")}));
  EXPECT_FALSE(chart_of(content, "training", "loss-over-time").is_null());
  EXPECT_TRUE(chart_of(content, "training", "loss-over-flops").is_null());
  EXPECT_TRUE(chart_of(content, "training", "accuracy").is_null());
  EXPECT_EQ(content["runs"]["rows"][0][1], "under way");
  made.write("begun/metrics.jsonl", "");
  EXPECT_TRUE(report_content(read_run_sets({made.path() / "begun"}))["sections"].empty());
}

TEST(ReportContent, ShowsRatiosAndVariancesAgainstBudgets) {
  const MadeRuns made;
  const auto content = report_content(read_run_sets({made.metrics("run", kSampled)}));
  const auto rho = chart_of(content, "sampling", "rho")["data"][0];
  EXPECT_EQ(rho["z"], json({{0.5, 0.5}, {0.75, 0.75}}));
  EXPECT_EQ(rho["zmax"], 1);
  const auto nu = chart_of(content, "sampling", "nu")["data"][0];
  EXPECT_EQ(nu["y"], json({"2.value", "10.value"})) << "block 2 before block 10";
  EXPECT_EQ(nu["z"][0][0], 0.4);
  const auto variances = chart_of(content, "sampling", "variances");
  std::map<std::string, double> last;
  for (const auto& trace : variances["data"]) last[trace["meta"]["series"]] = trace["y"].back();
  EXPECT_EQ(last, (std::map<std::string, double>{
                      {"V_s", 8}, {"V_act", 0.1}, {"V_w", 0.05}, {"τ_act·V_s", 0.2}, {"τ_w·V_s", 0.4}}));
  EXPECT_EQ(variances["layout"]["yaxis"]["type"], "log");
}

TEST(ReportContent, LeavesBudgetsOutThatAreNotKnown) {
  const MadeRuns made;
  const auto folder = made.metrics("run", R"(,"rho":[0.5],"v_sgd":8,"v_act":0.1,"v_w":0)");
  const auto content = report_content(read_run_sets({folder}));
  EXPECT_EQ(chart_of(content, "sampling", "variances")["data"].size(), 2U) << "V_s and V_act; no zero";
  EXPECT_TRUE(chart_of(content, "sampling", "nu").is_null());
}

TEST(ReportContent, ShowsWhatProbesSaw) {
  const MadeRuns made;
  made.write("run/probe.jsonl", kProbe);
  const auto content = report_content(read_run_sets({made.metrics("run")}));
  EXPECT_EQ(chart_of(content, "gradients", "sparsity-1")["data"][0]["z"], json({{0.6}, {0.7}}));
  EXPECT_EQ(chart_of(content, "gradients", "median-norms")["data"][0]["z"], json({{1.0}, {2.0}}));
  const auto quantiles = chart_of(content, "gradients", "norm-quantiles")["data"];
  ASSERT_EQ(quantiles.size(), std::size(kProbeQuantiles));
  EXPECT_TRUE(std::isnan(quantiles[0]["y"][0].get<double>())) << "a logarithm has no zero";
  EXPECT_EQ(quantiles[6]["y"], json({40.0, 400.0}));
  EXPECT_EQ(chart_of(content, "gradients", "variance-by-s")["data"][0]["y"], json({0.2}));
}

TEST(ReportContent, OfTwentyRunsHasAColorAGroupAndAViewARun) {
  const MadeRuns made;
  std::vector<std::filesystem::path> folders;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    folders.push_back(made.finished(fmt::format("exact-{}", seed), "exact", seed));
    folders.push_back(made.finished(fmt::format("vcas-{}", seed), "vcas", seed, 40, kSampled));
  }
  const auto content = report_content(read_run_sets(folders));
  const auto loss = chart_of(content, "training", "loss-over-steps")["data"];
  ASSERT_EQ(loss.size(), 20U);
  EXPECT_EQ(
      std::count_if(loss.begin(), loss.end(), [](const json& trace) { return trace["showlegend"] == true; }),
      2);
  EXPECT_EQ(loss[19]["meta"], json({{"series", "vcas-10"}, {"color", 1}}));
  EXPECT_EQ(content["sections"][0]["legend"].size(), 2U);
  EXPECT_EQ(content["sections"][1]["views"].size(), 10U);
  EXPECT_EQ(content["runs"]["rows"].size(), 20U);
  ASSERT_EQ(content["tables"].size(), 2U);
  EXPECT_EQ(content["tables"][0]["rows"].size(), 2U);
  EXPECT_EQ(content["tables"][1]["rows"][0], json({"vcas", "train loss, by seed", "+0", "0", "1", "10"}));
}

TEST(ReportContent, ComparesNoRunsOfUnequalLength) {
  const MadeRuns made;
  const auto content =
      report_content(read_run_sets({made.finished("a", "exact", 1, 40), made.finished("b", "vcas", 1, 80)}));
  EXPECT_TRUE(content["tables"].empty());
}

TEST(ReportContent, TellsTheRunsOfSeveralComparisonsApart) {
  const MadeRuns made;
  for (const char* grid : {"one", "two"}) made.finished(std::string(grid) + "/exact-seed-1", "exact", 1);
  const auto content = report_content(read_run_sets({made.path() / "one", made.path() / "two"}));
  const auto loss = chart_of(content, "training", "loss-over-steps")["data"];
  EXPECT_EQ(loss[0]["name"], "one: exact");
  EXPECT_EQ(loss[1]["name"], "two: exact");
  EXPECT_NE(loss[0]["meta"]["color"], loss[1]["meta"]["color"]);
}

TEST(ScriptSafe, EndsNoScriptAndStaysTheSameJson) {
  const json content = {{"</script><!-- <script>", "a < b \xE2\x80\xA8 \" \\"}};
  const auto text = script_safe(content);
  EXPECT_EQ(text.find('<'), std::string::npos);
  EXPECT_EQ(json::parse(text), content);
  EXPECT_FALSE(json::parse(script_safe({"\xFF"})).empty()) << "a folder's name need not be UTF-8";
}

TEST(ReportPage, HoldsContentAndLibraryAndNothingFromElsewhere) {
  const auto page = report_page({{"tables", json::array()}});
  EXPECT_NE(page.find(R"(id="report">{"tables":[]}</script>)"), std::string::npos);
  EXPECT_GT(page.size(), 1'000'000U) << "the plotting library";
  EXPECT_LT(page.size(), 3'000'000U);
  for (const char* loading : {"src=\"http", "@import", "<link"})
    EXPECT_EQ(page.find(loading), std::string::npos);
}

TEST(Thinned, KeepsFirstAndLastAndNoMoreThanAsked) {
  EXPECT_TRUE(thinned(0, 5).empty());
  EXPECT_EQ(thinned(3, 5), (std::vector<size_t>{0, 1, 2}));
  for (size_t count = 1; count < 200; ++count) {
    const auto kept = thinned(count, 7);
    EXPECT_LE(kept.size(), 7U) << count;
    EXPECT_EQ(kept.front(), 0U);
    EXPECT_EQ(kept.back(), count - 1);
  }
}

TEST(Rounded, KeepsSixDigits) {
  EXPECT_EQ(rounded(0.123456789), 0.123457);
  EXPECT_EQ(rounded(-1234567.0), -1234570.0);
  EXPECT_EQ(rounded(0), 0);
  EXPECT_TRUE(std::isnan(rounded(NAN)));
}

}  // namespace page_test
}  // namespace vcas::report
