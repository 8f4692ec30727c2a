#include "text/wordpiece.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

namespace vcas::text {
namespace wordpiece_test {

enum Id : int32_t {
  kPad,
  kUnk,
  kCls,
  kSep,
  kMask,
  kHello,
  kWorld,
  kUn,
  kAff,
  kAble,
  kComma,
  kCafe,
  kIdeograph,
  kA,
  kMoreA,
  kCapitalA
};

Vocabulary small_vocabulary() {
  return {{"[PAD]", kPad},        {"[UNK]", kUnk},   {"[CLS]", kCls},   {"[SEP]", kSep},
          {"[MASK]", kMask},      {"hello", kHello}, {"world", kWorld}, {"un", kUn},
          {"##aff", kAff},        {"##able", kAble}, {",", kComma},     {"cafe", kCafe},
          {"\u4E2D", kIdeograph}, {"a", kA},         {"##a", kMoreA},   {"A", kCapitalA}};
}

WordPiece make(WordPieceOptions options = {}, std::vector<AddedToken> added = {}) {
  added.push_back({.content = "[MASK]", .id = kMask});
  return {small_vocabulary(), std::move(options), std::move(added)};
}

using Ids = std::vector<int32_t>;

Ids tokens(const WordPiece& tokenizer, std::string_view text) {
  return WordPieceEncoder(tokenizer).tokens(text);
}

TEST(WordPiece, TakesTheLongestPieceFirst) {
  EXPECT_EQ(tokens(make(), "unaffable"), (Ids{kUn, kAff, kAble}));
}

TEST(WordPiece, MakesTheWholeWordUnknownWhenAPieceIsMissing) {
  EXPECT_EQ(tokens(make(), "unaffablex hello"), (Ids{kUnk, kHello}));
}

TEST(WordPiece, SplitsAtWhiteSpaceAndPunctuation) {
  EXPECT_EQ(tokens(make(), " Hello,world\t\n\u3000HELLO"), (Ids{kHello, kComma, kWorld, kHello}));
}

TEST(WordPiece, StripsAccentsWhereverTheyAreWritten) {
  EXPECT_EQ(tokens(make(), "Caf\u00E9 cafe\u0301"), (Ids{kCafe, kCafe}));
  EXPECT_EQ(tokens(make({.strip_accents = false}), "caf\u00E9"), (Ids{kUnk}));
}

TEST(WordPiece, KeepsCaseWhenToldTo) {
  EXPECT_EQ(tokens(make({.lowercase = false}), "A a"), (Ids{kCapitalA, kA}));
  EXPECT_EQ(tokens(make(), "A a"), (Ids{kA, kA}));
}

TEST(WordPiece, SetsIdeographsApart) {
  EXPECT_EQ(tokens(make(), "a\u4E2Da"), (Ids{kA, kIdeograph, kA}));
  EXPECT_EQ(tokens(make({.handle_chinese_chars = false}), "a\u4E2Da"), (Ids{kUnk}));
}

TEST(WordPiece, CleansControlCharactersAway) {
  EXPECT_EQ(tokens(make(), std::string_view("he\0l\u200Bl\x7Fo\uFFFD", 13)), (Ids{kHello}));
  EXPECT_EQ(tokens(make({.clean_text = false}), "he\x01llo"), (Ids{kUnk}));
}

TEST(WordPiece, FindsSpecialTokensInTheText) {
  EXPECT_EQ(tokens(make(), "hello[MASK]world"), (Ids{kHello, kMask, kWorld}));
  EXPECT_EQ(tokens(make(), "[mask]").size(), 3u);
}

TEST(WordPiece, AddedTokensHonourTheirFlags) {
  const auto tokenizer = make({}, {{.content = "he", .id = 50, .single_word = true},
                                   {.content = "<l>", .id = 51, .lstrip = true},
                                   {.content = "New", .id = 52, .normalized = true},
                                   {.content = "<l>r", .id = 53}});
  EXPECT_EQ(tokens(tokenizer, "hello he-a"), (Ids{kHello, 50, kUnk, kA}));
  EXPECT_EQ(tokens(tokenizer, "a \u00A0<l> a"), (Ids{kA, 51, kA}));
  EXPECT_EQ(tokens(tokenizer, "a<l>r"), (Ids{kA, 53}));
  EXPECT_EQ(tokens(tokenizer, "NEW new"), (Ids{52, 52}));
  EXPECT_EQ(tokenizer.vocabulary_size(), 54);
}

TEST(WordPiece, TooLongWordsAreUnknown) {
  EXPECT_EQ(tokens(make(), std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(tokens(make(), std::string(101, 'a')), (Ids{kUnk}));
  EXPECT_EQ(tokens(make({.max_input_chars_per_word = 2}), "aaa aa"), (Ids{kUnk, kA, kMoreA}));
}

TEST(WordPiece, RefusesAVocabularyWithoutItsSpecialTokens) {
  try {
    make({.sep_token = "</s>"});
    FAIL() << "accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_EQ(std::string(error.what()), "expected the sep_token '</s>' in the vocabulary, found none");
  }
}

TEST(WordPieceEncoder, PutsSpecialTokensAroundTextAndPair) {
  const auto tokenizer = make();
  WordPieceEncoder encoder(tokenizer);
  const auto single = encoder.encode("hello", 8);
  EXPECT_EQ(single.ids, (Ids{kCls, kHello, kSep}));
  EXPECT_EQ(single.second_begin, 3);
  const auto pair = encoder.encode_pair("hello", "world a", 8);
  EXPECT_EQ(pair.ids, (Ids{kCls, kHello, kSep, kWorld, kA, kSep}));
  EXPECT_EQ(pair.second_begin, 3);
  EXPECT_FALSE(pair.truncated);
}

TEST(WordPieceEncoder, CutsPairsLongestFirst) {
  const auto tokenizer = make();
  WordPieceEncoder encoder(tokenizer);
  const auto odd = encoder.encode_pair("hello hello hello hello", "a a a", 8);  // room for 5
  EXPECT_EQ(odd.ids, (Ids{kCls, kHello, kHello, kHello, kSep, kA, kA, kSep}));
  EXPECT_TRUE(odd.truncated);
  const auto tie = encoder.encode_pair("hello hello hello", "a a a", 8);
  EXPECT_EQ(tie.ids, (Ids{kCls, kHello, kHello, kSep, kA, kA, kA, kSep}));
  const auto one = encoder.encode_pair("hello", "a a a a a", 8);
  EXPECT_EQ(one.ids, (Ids{kCls, kHello, kSep, kA, kA, kA, kA, kSep}));
}

TEST(WordPieceEncoder, RefusesALengthWithoutRoomForSpecialTokens) {
  const auto tokenizer = make();
  WordPieceEncoder encoder(tokenizer);
  EXPECT_EQ(encoder.encode("hello", 2).ids, (Ids{kCls, kSep}));
  EXPECT_THROW(encoder.encode("hello", 1), std::invalid_argument);
  EXPECT_THROW(encoder.encode_pair("hello", "a", 2), std::invalid_argument);
}

std::string text_of(const std::vector<int>& words) {
  static constexpr std::array<const char*, 8> kWords = {"hello",     "unaffable", "a",      ",",
                                                        "caf\u00E9", "\u4E2D",    "[MASK]", "zzz"};
  std::string text;
  for (const int word : words) text += std::string(kWords.at(static_cast<size_t>(word))) + " ";
  return text;
}

auto any_words() { return rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 8)); }

RC_GTEST_PROP(WordPieceEncoder, TruncationFillsExactlyTheLimitAndKeepsPrefixes, ()) {
  const auto tokenizer = make();
  WordPieceEncoder encoder(tokenizer);
  const std::string first = text_of(*any_words()), second = text_of(*any_words());
  const int64_t limit = *rc::gen::inRange<int64_t>(3, 40);
  const Ids a = encoder.tokens(first), b = encoder.tokens(second);
  const auto pair = encoder.encode_pair(first, second, limit);
  const auto full = static_cast<int64_t>(a.size() + b.size()) + 3;
  RC_ASSERT(static_cast<int64_t>(pair.ids.size()) == std::min(full, limit));
  RC_ASSERT(pair.truncated == (full > limit));
  const auto kept_a = static_cast<std::size_t>(pair.second_begin - 2);
  const auto kept_b = pair.ids.size() - kept_a - 3;
  RC_ASSERT(std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(kept_a), pair.ids.begin() + 1));
  RC_ASSERT(std::equal(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(kept_b),
                       pair.ids.begin() + pair.second_begin));
  // A text is cut only down to the other one's length.
  RC_ASSERT(kept_a == a.size() || kept_a + 1 >= kept_b);
  RC_ASSERT(kept_b == b.size() || kept_b + 1 >= kept_a);
}

RC_GTEST_PROP(WordPieceEncoder, RememberedWordsGiveTheSameIds, ()) {
  const auto tokenizer = make();
  WordPieceEncoder used(tokenizer);
  for (const auto& words : *rc::gen::container<std::vector<std::vector<int>>>(any_words())) {
    const std::string text = text_of(words);
    RC_ASSERT(used.tokens(text) == WordPieceEncoder(tokenizer).tokens(text));
  }
}

}  // namespace wordpiece_test
}  // namespace vcas::text
