#include "ops/kernels/bfloat16.h"

#include <ATen/ATen.h>

#include <limits>
#include <vector>

#include "kernels_support.h"

namespace vcas::ops::kernels {
namespace kernels_bfloat16_test {

/// Ties, the largest numbers, denormals, infinities, NaN with every payload bit, and then ordinary numbers.
at::Tensor numbers(int64_t count, uint64_t seed) {
  at::Tensor values = testing::normal({count}, seed);
  const auto words = std::vector<uint32_t>{0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF, 0xFF7FFFFF,
                                           0x00000001, 0x00008000, 0x80018000, 0x7F800000, 0xFF800000,
                                           0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0x80000000};
  auto* bits = reinterpret_cast<uint32_t*>(values.mutable_data_ptr<float>());
  std::copy_n(words.begin(), std::min<size_t>(words.size(), static_cast<size_t>(count)), bits);
  return values;
}

/// The number in one half of a word.
float half(uint32_t word, bool upper) {
  const uint32_t bits = upper ? word & 0xFFFF0000U : word << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

void expect_rounded(float got, float value) {
  const float want = static_cast<float>(at::BFloat16(value));
  if (std::isnan(want)) {
    EXPECT_TRUE(std::isnan(got)) << value;
  } else {
    EXPECT_EQ(got, want) << value;
    EXPECT_EQ(std::signbit(got), std::signbit(want)) << value;
  }
}

TEST(BFloat16, RoundsARowToPairsAndFillsUpWithZero) {
  for (const int64_t columns : {1, 2, 15, 31, 32, 33, 64, 101}) {
    const at::Tensor row = numbers(columns, 1);
    std::vector<uint32_t> words(static_cast<size_t>((columns + 1) / 2), 0xAAAAAAAA);
    round_row(row.const_data_ptr<float>(), 0.75f, columns, words.data());
    for (int64_t i = 0; i < columns; ++i) {
      expect_rounded(half(words[static_cast<size_t>(i / 2)], i % 2 == 1), 0.75f * row[i].item<float>());
    }
    if (columns % 2 == 1) {
      EXPECT_EQ(words.back() >> 16, 0U);
    }
  }
}

TEST(BFloat16, PairsTwoRowsOrOneWithZeros) {
  for (const int64_t columns : {1, 15, 16, 33, 64}) {
    const at::Tensor even = numbers(columns, 1), odd = numbers(columns, 2).flip(0).contiguous();
    for (const bool has_odd : {true, false}) {
      std::vector<uint32_t> words(static_cast<size_t>(columns), 0xAAAAAAAA);
      pair_rows(even.const_data_ptr<float>(), 1, has_odd ? odd.const_data_ptr<float>() : nullptr, -2, columns,
                words.data());
      for (int64_t c = 0; c < columns; ++c) {
        expect_rounded(half(words[static_cast<size_t>(c)], false), even[c].item<float>());
        expect_rounded(half(words[static_cast<size_t>(c)], true), has_odd ? -2 * odd[c].item<float>() : 0.0f);
      }
    }
  }
}

}  // namespace kernels_bfloat16_test
}  // namespace vcas::ops::kernels
