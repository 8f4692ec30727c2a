// Vectorised Philox 4x32-10 and the dropout factors made of it. Included once for each instruction set.
#if defined(VCAS_OPS_KERNELS_PHILOX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VCAS_OPS_KERNELS_PHILOX_INL_H_
#undef VCAS_OPS_KERNELS_PHILOX_INL_H_
#else
#define VCAS_OPS_KERNELS_PHILOX_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "ops/kernels/dropout.h"
#include "vcas/sampling/philox.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR

using DU32 = hn::ScalableTag<uint32_t>;
using VU32 = hn::Vec<DU32>;

/// High and low words of the 64-bit products of all lanes.
HWY_INLINE void multiply_wide(VU32 a, VU32 multiplier, VU32& high, VU32& low) {
  const DU32 d;
  const hn::Repartition<uint64_t, DU32> d64;
  const auto even = hn::BitCast(d, hn::MulEven(a, multiplier));
  const auto odd =
      hn::BitCast(d, hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, a))), multiplier));
  high = hn::OddEven(odd, hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, even))));
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(hn::BitCast(d64, odd))), even);
}

/// One counter a lane: [block, row, ...mask.counter_high]; the four words of each lane's result.
HWY_INLINE void philox_lanes(const DropoutMask& mask, uint32_t row, VU32 block, VU32 words[4]) {
  const DU32 d;
  const auto multiplier0 = hn::Set(d, 0xD2511F53u), multiplier1 = hn::Set(d, 0xCD9E8D57u);
  auto word0 = block, word1 = hn::Set(d, row);
  auto word2 = hn::Set(d, mask.counter_high[0]), word3 = hn::Set(d, mask.counter_high[1]);
  uint32_t key0 = mask.key[0], key1 = mask.key[1];
  for (int round = 0; round < 10; ++round) {
    VU32 high0, low0, high1, low1;
    multiply_wide(word0, multiplier0, high0, low0);
    multiply_wide(word2, multiplier1, high1, low1);
    word0 = hn::Xor(hn::Xor(high1, word1), hn::Set(d, key0));
    word2 = hn::Xor(hn::Xor(high0, word3), hn::Set(d, key1));
    word1 = low1;
    word3 = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  words[0] = word0, words[1] = word1, words[2] = word2, words[3] = word3;
}

/// factors[c] for columns first_column + c of one row, c < count; first_column is a multiple of 4 and mask
/// active.
HWY_INLINE void fill_dropout_factors(const DropoutMask& mask, uint32_t row, uint32_t first_column,
                                     int64_t count, float* HWY_RESTRICT factors) {
  const DU32 d;
  const hn::RebindToFloat<DU32> df;
  const int64_t columns_a_vector = 4 * static_cast<int64_t>(hn::Lanes(d));
  const auto largest_dropped = hn::Set(d, mask.threshold - 1);
  const auto scale = hn::Set(df, mask.scale);
  const auto kept = [&](VU32 word) HWY_ATTR {
    return hn::IfThenElseZero(hn::RebindMask(df, hn::Gt(word, largest_dropped)), scale);
  };
  uint32_t block = first_column / 4;
  const auto store_factors = [&](float* out) HWY_ATTR {
    VU32 words[4];
    philox_lanes(mask, row, hn::Iota(d, block), words);
    hn::StoreInterleaved4(kept(words[0]), kept(words[1]), kept(words[2]), kept(words[3]), df, out);
    block += static_cast<uint32_t>(hn::Lanes(d));
  };
  int64_t column = 0;
  for (; column + columns_a_vector <= count; column += columns_a_vector) store_factors(factors + column);
  if (column == count) return;
  HWY_ALIGN float last[4 * hn::MaxLanes(d)];
  store_factors(last);
  std::copy_n(last, count - column, factors + column);
}

#else

/// Factors of the columns that one Philox call decides.
HWY_INLINE void dropout_factor_block(const DropoutMask& mask, uint32_t row, uint32_t block, int64_t count,
                                     float* HWY_RESTRICT factors) {
  const auto words =
      sampling::philox4x32_10({block, row, mask.counter_high[0], mask.counter_high[1]}, mask.key);
  for (int64_t lane = 0; lane < count; ++lane) {
    factors[lane] = words[static_cast<size_t>(lane)] >= mask.threshold ? mask.scale : 0.0f;
  }
}

HWY_INLINE void fill_dropout_factors(const DropoutMask& mask, uint32_t row, uint32_t first_column,
                                     int64_t count, float* HWY_RESTRICT factors) {
  uint32_t block = first_column / 4;
  for (int64_t column = 0; column < count; column += 4) {
    dropout_factor_block(mask, row, block++, HWY_MIN(int64_t{4}, count - column), factors + column);
  }
}

#endif

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
