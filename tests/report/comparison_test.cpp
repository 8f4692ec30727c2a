#include "vcas/report/comparison.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace vcas::report {
namespace {

ComparedRun run_of(const std::string& method, uint64_t seed, double loss, double accuracy, double seconds,
                   double flops_reduction, const std::string& correct) {
  return {method,
          seed,
          {{"train_loss", loss},
           {"eval_accuracy", accuracy},
           {"train_seconds", seconds},
           {"adaptation_seconds", 0.02 * seconds},
           {"peak_rss_bytes", 1 << 30},
           {"flops",
            {{"exact", 100}, {"performed", 100 * (1 - flops_reduction)}, {"reduction", flops_reduction}}}},
          correct};
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
  EXPECT_NEAR(vcas.accuracy_by_seed->difference, -0.125, 1e-12);
  EXPECT_EQ(vcas.accuracy_by_example->pairs, 4);
  EXPECT_NEAR(vcas.accuracy_by_example->difference, -0.125, 1e-12);  // one of eight
}

TEST(CompareMethods, DoesWithoutExactRunsAndWithoutEvaluation) {
  auto alone = runs();
  alone.erase(alone.begin(), alone.begin() + 2);
  for (auto& run : alone) {
    run.summary["eval_accuracy"] = nullptr;
    run.correct.clear();
  }
  const auto results = compare_methods(alone);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_FALSE(results[0].eval_accuracy.has_value());
  EXPECT_FALSE(results[0].train_loss_by_seed.has_value());
  EXPECT_TRUE(to_json(results[0]).at("time_reduction").is_null());
}

TEST(CompareMethods, OfASingleSeedHasNoTest) {
  auto single = runs();
  single.erase(single.begin() + 1, single.begin() + 3);
  const auto vcas = compare_methods(single)[1];
  EXPECT_FALSE(vcas.train_loss_by_seed->p_value.has_value());
  EXPECT_FALSE(vcas.train_loss.deviation.has_value());
  EXPECT_TRUE(vcas.accuracy_by_example->p_value.has_value()) << "examples are pairs too";
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

TEST(ComparisonTable, HasARowAMethodOfEqualWidth) {
  const auto table = comparison_table(compare_methods(runs()));
  EXPECT_NE(table.find("0.5200 ± 0.0141"), std::string::npos) << table;
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3);
  EXPECT_NE(table.find("29.0 ± 1.4"), std::string::npos) << table;
}

}  // namespace
}  // namespace vcas::report
