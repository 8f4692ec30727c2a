#include "report/run_sets.h"

#include <gtest/gtest.h>

#include "formats/support.h"
#include "report/report_support.h"

namespace vcas::report {
namespace run_sets_test {

using formats::input_error;

std::vector<std::string> groups_of(const RunSet& set) {
  std::vector<std::string> groups;
  for (const auto& run : set.runs) groups.push_back(run.group);
  return groups;
}

std::string compare_json(const std::vector<std::pair<std::string, uint64_t>>& runs) {
  nlohmann::json json = {{"runs", nlohmann::json::array()}};
  for (const auto& [method, seed] : runs)
    json["runs"].push_back(
        {{"method", method}, {"seed", seed}, {"summary", summary_of(method, seed)}, {"correct", "10"}});
  return json.dump();
}

TEST(ReadRunSets, GroupsSingleRunsThatDifferInTheirSeedsAlone) {
  const MadeRuns made;
  const auto sets = read_run_sets(
      {made.finished("a", "exact", 1), made.finished("b", "vcas", 1), made.finished("c", "vcas", 2)});
  ASSERT_EQ(sets.size(), 1U);
  EXPECT_EQ(groups_of(sets[0]), (std::vector<std::string>{"a", "vcas", "vcas"}));
  EXPECT_EQ(sets[0].runs[0].compared->method, "exact");
  EXPECT_EQ(sets[0].runs[2].name, "c");
}

TEST(ReadRunSets, LeavesRunsOfOneSeedOrOfUnequalLengthApart) {
  const MadeRuns made;
  const auto same_seed = read_run_sets(
      {made.finished("a", "exact", 1), made.finished("b", "vcas", 1), made.finished("c", "vcas", 1)});
  EXPECT_EQ(groups_of(same_seed[0]), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(same_seed[0].runs[1].compared->method, "b");
  const auto lengths = read_run_sets({made.path() / "b", made.finished("d", "vcas", 2, 80)});
  EXPECT_EQ(groups_of(lengths[0]), (std::vector<std::string>{"b", "d"}));
}

TEST(ReadRunSets, NamesRunsByWhatTellsTheirFoldersApart) {
  const MadeRuns made;
  const auto folder = made.metrics("x/run");
  const auto sets = read_run_sets({folder, made.metrics("y/run"), made.metrics("other"), folder});
  ASSERT_EQ(sets[0].runs.size(), 3U) << "a folder named twice is one run";
  EXPECT_EQ(sets[0].runs[0].name, "x/run");
  EXPECT_EQ(sets[0].runs[1].name, "y/run");
  EXPECT_EQ(sets[0].runs[2].name, "other");
  EXPECT_FALSE(sets[0].runs[0].compared.has_value());
}

TEST(ReadRunSets, AComparisonStandsForItsRunsFinishedOrNot) {
  const MadeRuns made;
  made.finished("grid/exact-seed-1", "exact", 1);
  made.metrics("grid/tau=0.1,draw=fixed-seed-2");
  made.metrics("grid/.hidden/nested");
  made.write("grid/sweep.json", compare_json({{"exact", 1}, {"removed", 3}}));
  const auto sets = read_run_sets({made.path() / "grid"});
  ASSERT_EQ(sets.size(), 1U);
  EXPECT_EQ(sets[0].name, "grid");
  EXPECT_EQ(groups_of(sets[0]), (std::vector<std::string>{"exact", "removed", "tau=0.1,draw=fixed"}));
  const auto &done = sets[0].runs[0], &removed = sets[0].runs[1], &going_on = sets[0].runs[2];
  EXPECT_EQ(done.name, "exact, seed 1");
  EXPECT_EQ(done.compared->per_example.at("accuracy"), (std::vector<double>{1, 0})) << "of an older file";
  EXPECT_EQ(done.files.metrics.size(), 2U);
  EXPECT_TRUE(removed.files.metrics.empty());
  EXPECT_TRUE(removed.compared.has_value());
  EXPECT_EQ(going_on.name, "tau=0.1,draw=fixed, seed 2");
  EXPECT_FALSE(going_on.compared.has_value());
}

TEST(ReadRunSets, ABegunComparisonHasNoResultYet) {
  const MadeRuns made;
  made.metrics("grid/exact-seed-1");
  EXPECT_EQ(read_run_sets({made.path() / "grid"}).at(0).runs.at(0).name, "exact, seed 1");
}

TEST(ReadRunSets, SingleRunsComeBeforeComparisons) {
  const MadeRuns made;
  made.write("grid/compare.json", compare_json({{"exact", 1}}));
  const auto sets = read_run_sets({made.path() / "grid", made.metrics("run")});
  ASSERT_EQ(sets.size(), 2U);
  EXPECT_EQ(sets[0].name, "");
  EXPECT_EQ(sets[1].name, "grid");
}

TEST(ReadRunSets, RefusesWhatHoldsNoRun) {
  const MadeRuns made;
  const auto error_of = [](const std::filesystem::path& path) {
    return input_error([&] { read_run_sets({path}); });
  };
  EXPECT_NE(error_of(made.path() / "none").find("none: expected an existing folder"), std::string::npos);
  EXPECT_NE(error_of(made.write("file", "")).find("file: expected a folder, got a file"), std::string::npos);
  std::filesystem::create_directory(made.path() / "empty");
  EXPECT_NE(error_of(made.path() / "empty").find("empty: expected a run"), std::string::npos);
  made.write("broken/compare.json", "{\"runs\":\n[}");
  EXPECT_NE(error_of(made.path() / "broken").find("compare.json:2: not JSON"), std::string::npos);
  made.write("lacking/compare.json", R"({"runs":[{"method":"exact","seed":1,"summary":{},"correct":""}]})");
  EXPECT_NE(error_of(made.path() / "lacking").find("compare.json: summary.train_loss: expected a number"),
            std::string::npos);
}

}  // namespace run_sets_test
}  // namespace vcas::report
