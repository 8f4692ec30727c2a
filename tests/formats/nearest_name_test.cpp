#include "formats/nearest_name.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace vcas::formats {
namespace nearest_name_test {

TEST(EditDistance, CountsInsertionsDeletionsAndSubstitutions) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("flaw", "lawn"), 2u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

TEST(EditDistance, CaseAndDashesAreFree) { EXPECT_EQ(edit_distance("--Max-Steps", "__max_steps"), 0u); }

RC_GTEST_PROP(EditDistance, IsAMetric, (const std::string& a, const std::string& b, const std::string& c)) {
  RC_ASSERT(edit_distance(a, a) == 0u);
  RC_ASSERT(edit_distance(a, b) == edit_distance(b, a));
  RC_ASSERT(edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c));
  RC_ASSERT(edit_distance(a, b) <= std::max(a.size(), b.size()));
}

TEST(NearestName, FindsTheSmallestDistance) {
  const std::vector<std::string> known = {"label", "sentence", "learning_rate", "max_steps"};
  EXPECT_EQ(nearest_name("sentense", known), "sentence");
  EXPECT_EQ(nearest_name("learnig-rate", known), "learning_rate");
  EXPECT_EQ(nearest_name("lable", known), "label");
}

TEST(NearestName, FirstOfSeveralAndNoneOfNone) {
  const std::vector<std::string> known = {"aa", "ab", "ac"};
  EXPECT_EQ(nearest_name("ax", known), "aa");
  EXPECT_EQ(nearest_name("ax", std::vector<std::string>{}), std::nullopt);
}

TEST(NearestName, HostileLengthsStayCheap) {
  const std::vector<std::string> known(10, std::string(1'000'000, 'a'));
  EXPECT_EQ(nearest_name(std::string(1'000'000, 'b'), known), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(1'000'000, 'a'), known), known.front());
}

TEST(NearestName, IsNotAnotherName) {
  const std::vector<std::string> known = {"bf16", "label_column", "per_device_train_batch_size",
                                          "save_total_limit"};
  EXPECT_EQ(nearest_name("num_labels", known), std::nullopt);
  EXPECT_EQ(nearest_name("load_best_model_at_end", known), std::nullopt);
  EXPECT_EQ(nearest_name("fp16", known), "bf16");
  EXPECT_EQ(nearest_name("batch_size", known), "per_device_train_batch_size");
  EXPECT_EQ(nearest_name("atch_size", known), std::nullopt);  // no whole words
  EXPECT_EQ(nearest_name("device", known), std::nullopt) << "in the middle";
  EXPECT_EQ(nearest_name("size", known), std::nullopt);
}

TEST(NearestName, HasALetterInCommon) {
  const std::vector<std::string> known = {"y", "z", "W", "Ab"};
  EXPECT_EQ(nearest_name("x", known), std::nullopt);
  EXPECT_EQ(nearest_name("w", known), "W");
  EXPECT_EQ(nearest_name("yx", std::vector<std::string>{"z"}), std::nullopt);
  EXPECT_EQ(nearest_name("ax", known), "Ab");
}

TEST(NearestName, OfANumberOrDateIsNone) {
  const std::vector<std::string> known = {"0", "1", "12", "2020-01-01"};
  for (const auto* name : {"5", "11", "1.0", "2020-01-02"})
    EXPECT_EQ(nearest_name(name, known), std::nullopt) << name;
}

TEST(NearestHint, SaysNothingWhereNothingIsNear) {
  const std::vector<std::string> known = {"max_steps"};
  EXPECT_EQ(nearest_hint("max_step", known, "--"), "; the nearest is '--max_steps'");
  EXPECT_EQ(nearest_hint("report_to", known, "--"), "");
}

}  // namespace nearest_name_test
}  // namespace vcas::formats
