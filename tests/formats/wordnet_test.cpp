#include "formats/wordnet.h"

#include <gtest/gtest.h>

#include <set>

#include "formats/support.h"

namespace vcas::formats {
namespace wordnet_test {

constexpr std::string_view kLicence =
    "  1 This software and database is being provided to you\n  2 by the licensee\n";
constexpr std::string_view kEntity =
    "00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 ~ 00002137 n 0000 ~ 04424418 n 0000 | that which is "
    "perceived  \n";
constexpr std::string_view kRun = "01926311 38 v 01 run 0 000 01 + 01 00 | move fast; \"Don't run | walk\"\n";

std::string error_of(const std::string& text) {
  return input_error([&] { parse_wordnet(text, "data.noun"); });
}

TEST(ParseWordnet, ReadsIdClassAndGloss) {
  const auto synsets =
      parse_wordnet(std::string(kLicence) + std::string(kEntity) + std::string(kRun), "data");
  ASSERT_EQ(synsets.size(), 2u);
  EXPECT_EQ(synsets[0].id, "n00001740");
  EXPECT_EQ(synsets[0].lexical_file, 3);
  EXPECT_EQ(synsets[0].gloss, "that which is perceived");
  EXPECT_EQ(synsets[1].id, "v01926311");
  EXPECT_EQ(synsets[1].lexical_file, 38);
  EXPECT_EQ(synsets[1].gloss, "move fast; \"Don't run | walk\"");
}

TEST(ParseWordnet, NamesFileLineAndWhatIsWrong) {
  const std::string licence(kLicence);
  EXPECT_EQ(error_of(licence + "1740 03 n 01 entity 0 000 | gloss\n"),
            "data.noun:3: expected a synset offset of 8 digits, got '1740'");
  EXPECT_EQ(error_of(licence + "-0001740 03 n 01 entity 0 000 | gloss\n"),
            "data.noun:3: expected a synset offset of 8 digits, got '-0001740'");
  EXPECT_EQ(error_of(licence + "00001740 45 n 01 entity 0 000 | gloss\n"),
            "data.noun:3: expected a lexical file number in 00..44, got '45'");
  EXPECT_EQ(error_of("00001740 03 x 01 entity 0 000 | gloss\n"),
            "data.noun:1: expected a part of speech (n, v, a, s or r), got 'x'");
  EXPECT_EQ(error_of("00001740 03 n 01 entity 0 000\n"),
            "data.noun:1: expected ' | ' and a gloss, got '00001740 03 n 01 entity 0 000'");
  EXPECT_EQ(error_of("00001740 03 n 01 entity 0 000 |  \n").substr(0, 31), "data.noun:1: expected a gloss a");
  EXPECT_EQ(error_of("00001740").substr(0, 53), "data.noun:1: expected a lexical file number in 00..44");
  EXPECT_EQ(error_of("00001740 03 n 01 x 0 000 | \xFF\n").substr(0, 27), "data.noun:1: expected UTF-8");
  EXPECT_EQ(error_of(""), "data.noun: expected synsets of WordNet, got none");
  EXPECT_EQ(error_of(licence), "data.noun: expected synsets of WordNet, got none");
}

TEST(LexicalFileName, AgreesWithLexnames) {
  EXPECT_EQ(lexical_file_name(0), "adj.all");
  EXPECT_EQ(lexical_file_name(3), "noun.Tops");
  EXPECT_EQ(lexical_file_name(18), "noun.person");
  EXPECT_EQ(lexical_file_name(28), "noun.time");
  EXPECT_EQ(lexical_file_name(29), "verb.body");
  EXPECT_EQ(lexical_file_name(44), "adj.ppl");
  EXPECT_THROW(lexical_file_name(45), std::out_of_range);
  EXPECT_THROW(lexical_file_name(-1), std::out_of_range);
}

TEST(LexicalFileName, NounsAreThreeToTwentyEight) {
  for (int64_t number = 0; number < kLexicalFileCount; ++number) {
    const bool noun =
        kFirstNounLexicalFile <= number && number < kFirstNounLexicalFile + kNounLexicalFileCount;
    EXPECT_EQ(lexical_file_name(number).starts_with("noun."), noun);
  }
}

TEST(ReadWordnet, ReadsDebiansNouns) {
  const std::filesystem::path file = "/usr/share/wordnet/data.noun";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "wordnet-base is not installed";
  const auto synsets = read_wordnet(file);
  EXPECT_EQ(synsets.size(), 82115u);  // wnstats(7WN) of WordNet 3.0
  std::set<std::string> ids;
  std::set<int64_t> classes;
  for (const auto& synset : synsets) {
    ids.insert(synset.id);
    classes.insert(synset.lexical_file);
  }
  EXPECT_EQ(ids.size(), synsets.size());
  EXPECT_EQ(classes.size(), 26u);
  EXPECT_EQ(*classes.begin(), 3);
  EXPECT_EQ(*classes.rbegin(), 28);
}

}  // namespace wordnet_test
}  // namespace vcas::formats
