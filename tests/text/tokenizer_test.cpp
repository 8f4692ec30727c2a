#include "vcas/text/tokenizer.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "text/wordpiece.h"
#include "vcas/formats/error.h"

namespace vcas::text {
namespace tokenizer_test {

TEST(ReadTokenizer, TakesTheKindThatTheFolderHolds) {
  const TemporaryFolder folder;
  EXPECT_THROW(read_tokenizer(folder.path()), formats::InputError);
  folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nword\n");
  const auto tokenizer = read_tokenizer(folder.path());
  EXPECT_NE(dynamic_cast<const WordPiece*>(tokenizer.get()), nullptr);
  EXPECT_EQ(tokenizer->vocabulary_size(), 6);
}

TEST(Tokenizer, EncodersOfOneTokenizerGiveTheSameIds) {
  const WordPiece wordpiece({{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}, {"a", 3}, {"b", 4}}, {}, {});
  const Tokenizer& tokenizer = wordpiece;
  const auto used = tokenizer.encoder(), fresh = tokenizer.encoder();
  used->encode("b a b", 10);
  EXPECT_EQ(used->encode("a b", 10).ids, (std::vector<int32_t>{1, 3, 4, 2}));
  EXPECT_EQ(fresh->encode("a b", 10).ids, used->encode("a b", 10).ids);
  EXPECT_EQ(fresh->encode_pair("a", "b", 10).second_begin, 3);
}

}  // namespace tokenizer_test
}  // namespace vcas::text
