#include "vcas/data/tokenized_texts.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <stdexcept>
#include <utility>

#include "text/wordpiece.h"

namespace vcas::data {
namespace tokenized_texts_test {

text::WordPiece tokenizer() {
  return {{{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}, {"a", 3}, {"b", 4}, {"##b", 5}}, {}, {}};
}

TextDataset dataset(std::vector<std::string> texts, std::vector<std::string> pairs = {}) {
  std::vector<int64_t> labels(texts.size());
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int64_t>(i % 2);
  return {std::move(texts), std::move(pairs), std::move(labels), {"no", "yes"}};
}

TEST(TokenizedTexts, PacksWhatWasAskedForInThatOrder) {
  const TokenizedTexts texts(dataset({"a", "a b b", ""}), tokenizer(), 10, 1);
  const std::vector<int64_t> wanted{1, 2, 1};
  const PackedTexts packed = texts.pack(wanted);
  EXPECT_EQ(packed.token_ids, (std::vector<int64_t>{1, 3, 4, 4, 2, 1, 2, 1, 3, 4, 4, 2}));
  EXPECT_EQ(packed.token_type_ids, std::vector<int64_t>(12, 0));
  EXPECT_EQ(packed.offsets, (std::vector<int64_t>{0, 5, 7, 12}));
  EXPECT_EQ(packed.labels, (std::vector<int64_t>{1, 0, 1}));
  EXPECT_EQ(packed.examples, wanted);
}

TEST(TokenizedTexts, GivesTheSecondTextTypeOne) {
  const TokenizedTexts texts(dataset({"a", "b"}, {"b b", "a"}), tokenizer(), 10, 1);
  const PackedTexts packed = texts.pack(std::vector<int64_t>{0, 1});
  EXPECT_EQ(packed.token_ids, (std::vector<int64_t>{1, 3, 2, 4, 4, 2, 1, 4, 2, 3, 2}));
  EXPECT_EQ(packed.token_type_ids, (std::vector<int64_t>{0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1}));
}

TEST(TokenizedTexts, CountsTruncatedTexts) {
  const TokenizedTexts texts(dataset({"a a a", "a a", "a a a a a"}), tokenizer(), 4, 1);
  EXPECT_EQ(texts.max_length(), 4);
  EXPECT_EQ(texts.truncated_count(), 2);
  EXPECT_EQ(texts.lengths(), (std::vector<int64_t>{4, 4, 4}));
  EXPECT_EQ(texts.token_count(), 12);
}

TEST(TokenizedTexts, TheDigestFollowsEverythingThatIsLearnt) {
  const auto digest = [](const TextDataset& data) {
    return TokenizedTexts(data, tokenizer(), 10, 2).digest();
  };
  const auto usual = digest(dataset({"a", "b"}));
  EXPECT_EQ(usual.size(), 16u);
  EXPECT_EQ(digest(dataset({"a", "b"})), usual);
  EXPECT_NE(digest(dataset({"b", "a"})), usual);
  EXPECT_NE(digest(dataset({"a b", ""})), usual);
  EXPECT_NE(digest(dataset({"a", ""}, {"", "b"})), digest(dataset({"a", ""}, {"b", ""})));
  EXPECT_NE(digest(dataset({"a", "x"})), digest(dataset({"a", "y"}))) << "equal tokens";
  EXPECT_NE(digest(dataset({"a"}, {"x"})), digest(dataset({"a"}, {"y"}))) << "equal tokens";
  auto labels = dataset({"a", "b"}), names = labels;
  std::swap(labels.labels[0], labels.labels[1]);
  EXPECT_NE(digest(labels), usual);
  names.label_names = {"yes", "no"};
  EXPECT_NE(digest(names), usual);
}

TEST(TokenizedTexts, RefusesWhatIsOutside) {
  const TokenizedTexts texts(dataset({"a"}), tokenizer(), 4, 1);
  EXPECT_THROW(texts.pack(std::vector<int64_t>{1}), std::out_of_range);
  EXPECT_THROW(texts.ids(-1), std::out_of_range);
  EXPECT_THROW(TokenizedTexts(dataset({"a"}), tokenizer(), 1, 2), std::invalid_argument);
  EXPECT_THROW(TokenizedTexts(dataset({"a"}), tokenizer(), 4, 0), std::invalid_argument);
}

RC_GTEST_PROP(TokenizedTexts, DoesNotDependOnTheNumberOfThreads, ()) {
  const auto words = rc::gen::elementOf(std::vector<std::string>{"a ", "b ", "bb ", "c "});
  const auto texts = *rc::gen::container<std::vector<std::string>>(rc::gen::map(
      rc::gen::container<std::vector<std::string>>(words), [](const std::vector<std::string>& parts) {
        std::string text;
        for (const auto& part : parts) text += part;
        return text;
      }));
  const TokenizedTexts one(dataset(texts), tokenizer(), 8, 1);
  const TokenizedTexts many(dataset(texts), tokenizer(), 8, *rc::gen::inRange<int64_t>(2, 9));
  std::vector<int64_t> all(texts.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  const auto a = one.pack(all), b = many.pack(all);
  RC_ASSERT(a.token_ids == b.token_ids);
  RC_ASSERT(a.offsets == b.offsets);
  RC_ASSERT(one.truncated_count() == many.truncated_count());
}

RC_GTEST_PROP(TokenizedTexts, OffsetsAreTheSumsOfLengths, ()) {
  const TokenizedTexts texts(dataset({"a", "a b", "", "bb b a"}, {"b", "", "a a a", "a"}), tokenizer(), 7, 2);
  const auto examples = *rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(0, 4));
  const auto packed = texts.pack(examples);
  RC_ASSERT(packed.offsets.size() == examples.size() + 1);
  RC_ASSERT(packed.offsets.back() == static_cast<int64_t>(packed.token_ids.size()));
  RC_ASSERT(packed.token_type_ids.size() == packed.token_ids.size());
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto ids = texts.ids(examples[i]);
    RC_ASSERT(packed.offsets[i + 1] - packed.offsets[i] == static_cast<int64_t>(ids.size()));
    RC_ASSERT(std::equal(ids.begin(), ids.end(), packed.token_ids.begin() + packed.offsets[i]));
  }
}

}  // namespace tokenized_texts_test
}  // namespace vcas::data
