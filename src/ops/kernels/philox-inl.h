// Vectorised Philox 4x32-10 and the dropout factors made of it. Included once for each instruction set.
#if defined(VCAS_OPS_KERNELS_PHILOX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VCAS_OPS_KERNELS_PHILOX_INL_H_
#undef VCAS_OPS_KERNELS_PHILOX_INL_H_
#else
#define VCAS_OPS_KERNELS_PHILOX_INL_H_
#endif

#include <algorithm>
#include <array>

#include "ops/kernels/dropout.h"
#include "ops/kernels/row_ops-inl.h"
#include "sampling/philox.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Distance between rows of factors that are filled together: Philox decides four columns at a time.
HWY_INLINE int64_t dropout_stride(int64_t columns) { return (columns + 3) / 4 * 4; }

#if HWY_TARGET == HWY_SCALAR

/// factors[r·dropout_stride(columns) + c] for rows first_row + r and columns first_column + c of an active
/// mask; first_column is a multiple of 4. What lies between the rows is overwritten, nothing after the last
/// column is.
HWY_INLINE void fill_dropout_factors(const DropoutMask& mask, uint32_t first_row, int64_t rows,
                                     uint32_t first_column, int64_t columns, float* HWY_RESTRICT factors) {
  const auto word_count = static_cast<uint32_t>(columns);
  for (uint32_t r = 0; r < static_cast<uint32_t>(rows); ++r, factors += dropout_stride(columns)) {
    std::array<uint32_t, 4> words{};
    for (uint32_t c = 0; c < word_count; ++c) {
      if (c % 4 == 0) {
        words = sampling::philox4x32_10(
            {(first_column + c) / 4, first_row + r, mask.counter_high[0], mask.counter_high[1]}, mask.key);
      }
      factors[c] = words[c % 4] >= mask.threshold ? mask.scale : 0.0f;
    }
  }
}

#else

using DU64 = hn::ScalableTag<uint64_t>;
using VU64 = hn::Vec<DU64>;
using DU32 = hn::Repartition<uint32_t, DU64>;

/// The keys of all rounds, kept in memory: broadcasting from there is cheaper than from a general register.
struct PhiloxKeys {
  std::array<uint64_t, 10> key0, key1;

  explicit PhiloxKeys(const std::array<uint32_t, 2>& key) {
    uint32_t first = key[0], second = key[1];
    for (size_t round = 0; round < 10; ++round, first += 0x9E3779B9u, second += 0xBB67AE85u) {
      key0[round] = first;
      key1[round] = second;
    }
  }
};

/// One counter a 64-bit lane. Of each word the low half counts; the high half is whatever the last product
/// left there, which no operation on the low halves reads.
struct PhiloxLanes {
  VU64 word0, word1, word2, word3;

  HWY_INLINE void round(uint64_t key0, uint64_t key1) {
    const DU64 d;
    const DU32 d32;
    const auto product0 = hn::MulEven(hn::BitCast(d32, word0), hn::Set(d32, 0xD2511F53u));
    const auto product1 = hn::MulEven(hn::BitCast(d32, word2), hn::Set(d32, 0xCD9E8D57u));
    word0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), word1), hn::Set(d, key0));
    word2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), word3), hn::Set(d, key1));
    word1 = product1;
    word3 = product0;
  }
};

/// Runs along rows of column blocks, row after row: lane 2i stands at position i, lane 2i + 1 at position i +
/// lanes/2, so that the interleaved words of all lanes come out in the order of their columns.
class PhiloxPositions {
 public:
  PhiloxPositions(uint32_t first_row, uint32_t first_block, uint64_t blocks)
      : base_(hn::Set(DU64(), first_block)), blocks_(hn::Set(DU64(), blocks)) {
    constexpr size_t kLanes = hn::MaxLanes(DU64());
    HWY_ALIGN uint64_t row[kLanes], block[kLanes];
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const uint64_t position = lane / 2 + lane % 2 * (kLanes / 2);
      row[lane] = first_row + position / blocks;
      block[lane] = position % blocks;
    }
    row_ = hn::Load(DU64(), row);
    block_ = hn::Load(DU64(), block);
    row_step_ = hn::Set(DU64(), kLanes / blocks);
    block_step_ = hn::Set(DU64(), kLanes % blocks);
  }

  HWY_INLINE PhiloxLanes counters(const DropoutMask& mask) const {
    const DU64 d;
    return {hn::Add(base_, block_), row_, hn::Set(d, uint64_t{mask.counter_high[0]}),
            hn::Set(d, uint64_t{mask.counter_high[1]})};
  }

  HWY_INLINE void advance() {
    const DU64 d;
    const hn::RebindToSigned<DU64> di;
    block_ = hn::Add(block_, block_step_);
    row_ = hn::Add(row_, row_step_);
    const auto fits = hn::RebindMask(d, hn::Gt(hn::BitCast(di, blocks_), hn::BitCast(di, block_)));
    block_ = hn::IfThenElse(fits, block_, hn::Sub(block_, blocks_));
    row_ = hn::IfThenElse(fits, row_, hn::Add(row_, hn::Set(d, uint64_t{1})));
  }

 private:
  VU64 base_, blocks_, row_, block_, row_step_, block_step_;
};

/// Factors that one call of next_dropout_factors stores.
constexpr int64_t kDropoutStep = 4 * static_cast<int64_t>(hn::MaxLanes(DF()));

HWY_INLINE void store_dropout_factors(const DropoutMask& mask, const PhiloxLanes& lanes,
                                      float* HWY_RESTRICT out) {
  const DU64 d;
  const DU32 d32;
  const hn::RebindToFloat<DU32> df;
  const auto low = hn::Set(d, uint64_t{0xFFFFFFFFu});
  const auto words01 = hn::Or(hn::And(lanes.word0, low), hn::ShiftLeft<32>(lanes.word1));
  const auto words23 = hn::Or(hn::And(lanes.word2, low), hn::ShiftLeft<32>(lanes.word3));
  const auto store = [&](VU64 words, float* place) HWY_ATTR {
    const auto kept = hn::Gt(hn::BitCast(d32, words), hn::Set(d32, mask.threshold - 1));
    hn::StoreU(hn::IfThenElseZero(hn::RebindMask(df, kept), hn::Set(df, mask.scale)), df, place);
  };
  store(hn::InterleaveLower(d, words01, words23), out);
  store(hn::InterleaveUpper(d, words01, words23), out + hn::MaxLanes(df));
}

/// Factors of the next positions. Two sets of lanes take turns: one alone would wait for its own products.
HWY_INLINE void next_dropout_factors(const DropoutMask& mask, const PhiloxKeys& keys,
                                     PhiloxPositions& positions, float* HWY_RESTRICT out) {
  PhiloxLanes first = positions.counters(mask);
  positions.advance();
  PhiloxLanes second = positions.counters(mask);
  positions.advance();
  for (size_t round = 0; round < 10; ++round) {
    first.round(keys.key0[round], keys.key1[round]);
    second.round(keys.key0[round], keys.key1[round]);
  }
  store_dropout_factors(mask, first, out);
  store_dropout_factors(mask, second, out + kDropoutStep / 2);
}

/// factors[r·dropout_stride(columns) + c] for rows first_row + r and columns first_column + c of an active
/// mask; first_column is a multiple of 4. What lies between the rows is overwritten, nothing after the last
/// column is.
HWY_INLINE void fill_dropout_factors(const DropoutMask& mask, uint32_t first_row, int64_t rows,
                                     uint32_t first_column, int64_t columns, float* HWY_RESTRICT factors) {
  const int64_t stride = dropout_stride(columns), total = (rows - 1) * stride + columns;
  const PhiloxKeys keys(mask.key);
  PhiloxPositions positions(first_row, first_column / 4, static_cast<uint64_t>(stride / 4));
  int64_t done = 0;
  for (; done + kDropoutStep <= total; done += kDropoutStep) {
    next_dropout_factors(mask, keys, positions, factors + done);
  }
  if (done == total) return;
  HWY_ALIGN float last[kDropoutStep];
  next_dropout_factors(mask, keys, positions, last);
  std::copy_n(last, total - done, factors + done);
}

#endif

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
