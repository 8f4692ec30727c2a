#include "vcas/sampling/stream.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

namespace vcas::sampling {
namespace stream_test {

// Resumed runs must draw the same numbers: the layout never changes.
static_assert(static_cast<uint32_t>(Site::sample_activation) == 0);
static_assert(static_cast<uint32_t>(Site::sample_weight) == 1);
static_assert(static_cast<uint32_t>(Site::embedding_dropout) == 16);
static_assert(static_cast<uint32_t>(Site::attention_dropout) == 17);
static_assert(static_cast<uint32_t>(Site::attention_output_dropout) == 18);
static_assert(static_cast<uint32_t>(Site::feed_forward_dropout) == 19);
static_assert(static_cast<uint32_t>(Site::pooler_dropout) == 20);

TEST(StreamKey, LaysOutEveryFieldInItsOwnBits) {
  const StreamKey stream{.seed = 0x0123456789ABCDEFu,
                         .micro_batch = 0xCAFEF00Du,
                         .layer = 0x155,
                         .index = 0x2AA,
                         .draw = 0x5A,
                         .site = Site::attention_dropout};
  EXPECT_EQ(stream.philox_key(), (std::array<uint32_t, 2>{0x89ABCDEF, 0x01234567}));
  // 101010101 10001 1010101010 01011010
  EXPECT_EQ(stream.philox_counter_high(), (std::array<uint32_t, 2>{0xCAFEF00D, 0xAAC6AA5A}));
}

TEST(StreamKey, FieldsAtTheirLargestDoNotOverlap) {
  EXPECT_EQ((StreamKey{.layer = 511}.philox_counter_high()[1]), 0xFF800000u);
  EXPECT_EQ((StreamKey{.site = static_cast<Site>(31)}.philox_counter_high()[1]), 0x007C0000u);
  EXPECT_EQ((StreamKey{.index = 1023}.philox_counter_high()[1]), 0x0003FF00u);
  EXPECT_EQ((StreamKey{.draw = 255}.philox_counter_high()[1]), 0x000000FFu);
}

TEST(StreamKey, RefusesFieldsThatDoNotFit) {
  EXPECT_THROW((StreamKey{.layer = 512}.philox_counter_high()), std::out_of_range);
  EXPECT_THROW((StreamKey{.index = 1024}.philox_counter_high()), std::out_of_range);
  EXPECT_THROW((StreamKey{.draw = 256}.philox_counter_high()), std::out_of_range);
  EXPECT_THROW((StreamKey{.site = static_cast<Site>(32)}.philox_counter_high()), std::out_of_range);
}

TEST(StreamKey, WeightsOfABlockHaveStreamsOfTheirOwn) {
  const StreamKey block{.seed = 1, .micro_batch = 2, .layer = 3, .draw = 4};
  // The first of them as before there were more: a site each, index 0.
  for (int64_t i = 0; i < 15; ++i) {
    const auto stream = block.weight(i);
    EXPECT_EQ(static_cast<int64_t>(stream.site), 1 + i);
    EXPECT_EQ(stream.index, 0u);
    EXPECT_EQ(stream.draw, 4u);
  }
  std::set<std::array<uint32_t, 2>> seen{block.philox_counter_high()};
  for (const Site site : {Site::embedding_dropout, Site::attention_dropout, Site::sample_selection})
    seen.insert(block.at(site).philox_counter_high());
  for (int64_t i = 0; i < 1038; ++i) seen.insert(block.weight(i).philox_counter_high());
  EXPECT_EQ(seen.size(), 1042u);
  EXPECT_THROW(block.weight(1038), std::out_of_range);
  EXPECT_THROW(block.weight(-1), std::out_of_range);
}

}  // namespace stream_test
}  // namespace vcas::sampling
