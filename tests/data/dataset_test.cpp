#include "vcas/data/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "vcas/formats/error.h"

namespace vcas::data {
namespace dataset_test {

class DatasetFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name) << content;
    return folder_ / name;
  }

  template <typename Read>
  std::string refusal(Read read) {
    try {
      read();
    } catch (const formats::InputError& error) {
      std::string message = error.what();
      return message.starts_with(folder_.string()) ? message.substr(folder_.string().size() + 1) : message;
    }
    return "accepted";
  }

  std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) /
                                  testing::UnitTest::GetInstance()->current_test_info()->name();
};

using Labels = std::vector<int64_t>;
using Names = std::vector<std::string>;

TEST_F(DatasetFile, NamesAreSortedIntoIds) {
  const auto data = read_training_file(write("t.csv", "label,sentence\nred,x\nblue,y\nred,\"z, z\"\n"), {});
  EXPECT_EQ(data.texts, (Names{"x", "y", "z, z"}));
  EXPECT_TRUE(data.text_pairs.empty());
  EXPECT_EQ(data.label_names, (Names{"blue", "red"}));
  EXPECT_EQ(data.labels, (Labels{1, 0, 1}));
}

TEST_F(DatasetFile, IntegersAreSortedAsNumbers) {
  const auto whole = read_training_file(write("t.tsv", "sentence\tlabel\na\t2\nb\t0\nc\t1\nd\t10\n"), {});
  EXPECT_EQ(whole.label_names, (Names{"0", "1", "2", "10"}));
  EXPECT_EQ(whole.labels, (Labels{2, 0, 1, 3}));
  const auto sparse = read_training_file(write("s.jsonl", R"({"sentence": "a", "label": 5})"
                                                          "\n"
                                                          R"({"sentence": "b", "label": -1})"
                                                          "\n"),
                                         {});
  EXPECT_EQ(sparse.label_names, (Names{"-1", "5"}));
  EXPECT_EQ(sparse.labels, (Labels{1, 0}));
}

TEST_F(DatasetFile, ReadsPairs) {
  const auto data = read_training_file(write("p.csv", "premise,hypothesis,gold\na,b,0\nc,d,1\n"),
                                       {"premise", "hypothesis", "gold"});
  EXPECT_EQ(data.texts, (Names{"a", "c"}));
  EXPECT_EQ(data.text_pairs, (Names{"b", "d"}));
}

TEST_F(DatasetFile, RefusesOneClassOnly) {
  const auto path = write("t.csv", "sentence,label\na,x\nb,x\n");
  EXPECT_EQ(
      refusal([&] { read_training_file(path, {}); }),
      "t.csv: column 'label': expected labels of two classes or more, got labels of one class only: 'x'");
}

TEST_F(DatasetFile, RefusesMissingColumnsTheSecondTextsToo) {
  const auto path = write("t.csv", "sentence,label\na,x\nb,y\n");
  EXPECT_NE(refusal([&] {
              read_training_file(path, {"sentense", {}, "label"});
            }).find("sentence"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              read_training_file(path, {"sentence", "other", "label"});
            }).find("other"),
            std::string::npos);
}

TEST_F(DatasetFile, EvaluationKnowsNamesAndIds) {
  const Names names{"negative", "positive"};
  EXPECT_EQ(
      read_evaluation_file(write("n.csv", "sentence,label\na,positive\nb,negative\n"), {}, names).labels,
      (Labels{1, 0}));
  EXPECT_EQ(read_evaluation_file(write("i.csv", "sentence,label\na,1\nb,0\n"), {}, names).labels,
            (Labels{1, 0}));
  EXPECT_EQ(read_evaluation_file(write("j.csv", "sentence,label\na,5\nb,05\n"), {}, {"-1", "5"}).labels,
            (Labels{1, 1}));
}

TEST_F(DatasetFile, EvaluationRefusesUnknownLabels) {
  const auto path = write("e.csv", "sentence,label\na,positive\nb,positiv\n");
  EXPECT_EQ(refusal([&] {
              read_evaluation_file(path, {}, {"negative", "positive"});
            }),
            "e.csv:3: expected a known label (negative, positive), got 'positiv'; the nearest is 'positive'");
  const auto integers = write("i.csv", "sentence,label\na,2\n");
  EXPECT_NE(refusal([&] {
              read_evaluation_file(integers, {}, {"negative", "positive"});
            }).find("i.csv:2:"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              read_evaluation_file(integers, {}, {"1", "5"});
            }).find("got '2'"),
            std::string::npos);
}

TEST_F(DatasetFile, SpellingsOfOneValueAreOneClass) {
  const auto numbers = read_training_file(write("n.csv", "sentence,label\na,1\nb,1.0\nc, 1\nd,2e0\n"), {});
  EXPECT_EQ(numbers.label_names, (Names{"1", "2"}));
  EXPECT_EQ(numbers.labels, (Labels{0, 0, 0, 1}));
  const auto truths =
      read_training_file(write("t.csv", "sentence,label\na,true\nb,FALSE\nc,True\nd,false\n"), {});
  EXPECT_EQ(truths.label_names, (Names{"False", "True"}));
  EXPECT_EQ(truths.labels, (Labels{1, 0, 1, 0}));
  const auto names = read_training_file(write("x.csv", "sentence,label\na,1\nb,01\nc,x \nd,True\n"), {});
  EXPECT_EQ(names.label_names, (Names{"01", "1", "True", "x"}));
}

TEST_F(DatasetFile, RefusesMissingLabelsAndScores) {
  const auto message = [&](const std::string& label) {
    const auto path = write("t.csv", "sentence,label\na,1\n\nb," + label + "\n");
    return refusal([&] { read_training_file(path, {}); });
  };
  EXPECT_EQ(message(" "),
            "t.csv:4: column 'label': expected a class, got nothing; give this row a class or take it out");
  EXPECT_TRUE(message("None").starts_with("t.csv:4: column 'label': expected a class, got 'None', which "));
  EXPECT_TRUE(message("4.75").starts_with("t.csv:4: column 'label': expected a class, got the number 4.75"));
  const auto scores = write("s.csv", "sentence,label\na,4.75\nb,0.0\nc,10\n");
  EXPECT_EQ(read_training_file(scores, {}, FloatLabels::classes).label_names, (Names{"0", "4.75", "10"}));
}

TEST_F(DatasetFile, LeavesOutRowsOfEmptyFieldsAlone) {
  const auto data = read_training_file(write("t.csv", "sentence,label\n,\na,x\n,y\n,\n"), {});
  EXPECT_EQ(data.texts, (Names{"a", ""}));
  EXPECT_EQ(data.labels, (Labels{0, 1}));
  const auto noted = write("n.csv", "sentence,label,note\na,x,\n,,1\n");
  EXPECT_TRUE(refusal([&] { read_training_file(noted, {}); }).starts_with("n.csv:3: column 'label'"));
  const auto empty = write("e.csv", "sentence,label\n,\n");
  EXPECT_EQ(refusal([&] { read_training_file(empty, {}); }),
            "e.csv: expected at least one row, got empty ones only");
}

TEST_F(DatasetFile, EvaluationMatchesValues) {
  const auto labels = [&](const std::string& rows, const Names& names) {
    return read_evaluation_file(write("e.csv", "sentence,label\n" + rows), {}, names).labels;
  };
  EXPECT_EQ(labels("a,2\nb,10.0\nc,02\n", {"10.0", "2.0"}), (Labels{1, 0, 1}));
  EXPECT_EQ(labels("a,true\nb,False\n", {"FALSE", "TRUE"}), (Labels{1, 0}));
  EXPECT_EQ(labels("a,1.0\nb,0\n", {"LABEL_0", "LABEL_1"}), (Labels{1, 0}));
  EXPECT_EQ(labels("a,None\nb,Some\n", {"None", "Some"}), (Labels{0, 1})) << "a name of the model's own";
  const auto path = write("e.csv", "sentence,label\na,1\n");
  EXPECT_NE(refusal([&] {
              read_evaluation_file(path, {}, {"-inf", "2"});
            }),
            "accepted")
      << "ids among numbers";
  const auto missing = write("m.csv", "sentence,label\na,NA\n");
  EXPECT_TRUE(refusal([&] {
                read_evaluation_file(missing, {}, {"no", "yes"});
              }).starts_with("m.csv:2: column"));
}

TEST_F(DatasetFile, EvaluationRefusesIdsThatMayMeanAnotherName) {
  const auto result = [&](const std::string& rows, const Names& names) {
    const auto path = write("e.csv", "sentence,label\n" + rows);
    return refusal([&] { read_evaluation_file(path, {}, names); });
  };
  EXPECT_EQ(
      result("a,0\nb,1\n", {"1 star", "2 stars", "3 stars"}),
      "e.csv:3: expected the name of one class, got '1', which may mean '2 stars' (id 1) or '1 star' (id 0)");
  EXPECT_EQ(
      result("a,1\n", {"True", "False"}),
      "e.csv:2: expected the name of one class, got '1', which may mean 'False' (id 1) or 'True' (id 0)");
  EXPECT_EQ(
      result("a,0\n", {"True", "False"}),
      "e.csv:2: expected the name of one class, got '0', which may mean 'True' (id 0) or 'False' (id 1)");
  EXPECT_NE(result("a,2\n", {"LABEL_1", "LABEL_02", "LABEL_3"}), "accepted");
  EXPECT_NE(result("a,1\n", {"true", "unknown", "false"}), "accepted");
  EXPECT_EQ(result("a,1\nb,0\n", {"False", "True"}), "accepted");
  EXPECT_EQ(result("a,2\nb,0\n", {"LABEL_0", "LABEL_1", "LABEL_2"}), "accepted");
  EXPECT_EQ(result("a,1\nb,0\n", {"covid-19", "flu"}), "accepted");
  EXPECT_EQ(result("a,2 stars\nb,1 star\n", {"1 star", "2 stars"}), "accepted");
}

TEST_F(DatasetFile, EvaluationRefusesTheNameOfTwoClasses) {
  const auto result = [&](const std::string& rows, const Names& names) {
    const auto path = write("e.csv", "sentence,label\n" + rows);
    return refusal([&] { read_evaluation_file(path, {}, names); });
  };
  EXPECT_EQ(result("a,b\nb,a\n", {"a", "a", "b"}),
            "e.csv:3: expected the name of one class, got 'a', which may mean 'a' (id 0) or 'a' (id 1)");
  EXPECT_EQ(result("a,b\n", {"a", "a", "b"}), "accepted");
  EXPECT_NE(result("a,a\n", {"a ", "a"}), "accepted");
  EXPECT_NE(result("a,01\n", {"1", "1.0", "2"}), "accepted");
  EXPECT_EQ(result("a,1\nb,2.0\n", {"1", "1.0", "2"}), "accepted");
}

TEST_F(DatasetFile, TakesTheOrderOfTheSameNames) {
  auto data = read_training_file(write("t.csv", "sentence,label\na,x\nb,y\nc,z\n"), {});
  EXPECT_FALSE(data.take_label_order({"y", "z"}));
  EXPECT_FALSE(data.take_label_order({"y", "z", "w"}));
  EXPECT_EQ(data.label_names, (Names{"x", "y", "z"}));
  EXPECT_TRUE(data.take_label_order({"y", "z", "x"}));
  EXPECT_EQ(data.label_names, (Names{"y", "z", "x"}));
  EXPECT_EQ(data.labels, (Labels{2, 0, 1}));
  auto numbers = read_training_file(write("n.csv", "sentence,label\na,0\nb,1\n"), {});
  EXPECT_FALSE(numbers.take_label_order({"no", "yes"})) << "ids are no names";
  EXPECT_TRUE(numbers.take_label_order({"1.0", "0.0"}));
  EXPECT_EQ(numbers.labels, (Labels{1, 0}));
}

TEST_F(DatasetFile, KeepsTheFirst) {
  auto data = read_training_file(write("t.csv", "sentence,pair,label\na,b,0\nc,d,1\n"),
                                 {"sentence", "pair", "label"});
  data.keep_first(5);
  EXPECT_EQ(data.size(), 2);
  data.keep_first(1);
  EXPECT_EQ(data.texts, (Names{"a"}));
  EXPECT_EQ(data.text_pairs, (Names{"b"}));
  EXPECT_EQ(data.labels, (Labels{0}));
}

// Source: the FNV reference code's test vectors.
TEST(Fnv1a64, AgreesWithPublishedValues) {
  EXPECT_EQ(fnv1a64(""), 0xcbf29ce484222325u);
  EXPECT_EQ(fnv1a64("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(fnv1a64("foobar"), 0x85944171f73967e8u);
}

TEST(WordNetNouns, HoldsOutATenthAndMixesTheRest) {
  const auto split = read_wordnet_nouns();
  EXPECT_EQ(split.train.size() + split.validation.size(), 82115);
  EXPECT_GE(split.validation.size(), 8000);
  EXPECT_LE(split.validation.size(), 8400);
  EXPECT_EQ(split.train.label_names.size(), 26u);
  EXPECT_EQ(split.train.label_names.front(), "noun.Tops");
  EXPECT_EQ(split.train.label_names.back(), "noun.time");
  EXPECT_EQ(split.train.label_names, split.validation.label_names);
  auto first = split.train;
  first.keep_first(40000);
  const auto share = [](const TextDataset& data, int64_t label) {
    return static_cast<double>(std::ranges::count(data.labels, label)) / static_cast<double>(data.size());
  };
  // noun.person (15) is 13 % of the nouns; 40 thousand of 74 thousand drawn without replacement have an sd of
  // 0.0012.
  EXPECT_NEAR(share(first, 15), share(split.train, 15), 6 * 0.0012);
  EXPECT_NEAR(share(split.validation, 15), share(split.train, 15), 6 * 0.004);
}

TEST(WordNetNouns, NamesTheMissingFile) {
  try {
    read_wordnet_nouns("/nowhere");
    FAIL() << "accepted";
  } catch (const formats::InputError& error) {
    EXPECT_EQ(std::string(error.what()),
              "/nowhere/data.noun: expected WordNet 3.0 (Debian package wordnet-base), found no such file");
  }
}

}  // namespace dataset_test
}  // namespace vcas::data
