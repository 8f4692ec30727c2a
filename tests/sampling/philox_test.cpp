#include "sampling/philox.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "sampling/philox_tensor.h"

namespace vcas::sampling {
namespace philox_test {

using Words = std::array<uint32_t, 4>;

// Random123's published kat_vectors, lines "philox4x32 10".
TEST(Philox, GivesPublishedKnownAnswers) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32_10({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, TensorOperationsGiveTheSameWords) {
  const StreamKey stream{.seed = 0xFEDCBA9876543210u,
                         .micro_batch = 0x80000001u,
                         .layer = 511,
                         .index = 1023,
                         .draw = 255,
                         .site = Site::attention_dropout};
  const at::Tensor blocks = at::arange(0xFFFFFF00, 0x100000000, at::kLong);
  const uint32_t row = 0xDEADBEEF;
  const auto words = philox_words(blocks, at::full({1}, int64_t{row}, at::kLong), stream);
  const auto high = stream.philox_counter_high();
  for (int64_t i = 0; i < blocks.numel(); ++i) {
    const auto block = static_cast<uint32_t>(blocks[i].item<int64_t>());
    const Words expected = philox4x32_10({block, row, high[0], high[1]}, stream.philox_key());
    for (size_t w = 0; w < 4; ++w) ASSERT_EQ(words[w][i].item<int64_t>(), int64_t{expected[w]}) << block;
  }
}

}  // namespace philox_test
}  // namespace vcas::sampling
