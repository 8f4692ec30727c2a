#include "ops/kernels/bfloat16.h"

#include "sampling/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/bfloat16.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
using Words = hn::Vec<hn::Rebind<uint32_t, D>>;

/// bfloat16 in the upper half of each word; what is in the lower half means nothing.
template <class D>
HWY_INLINE Words<D> rounded(D /*d*/, hn::Vec<D> value) {
  const hn::Rebind<uint32_t, D> words;
  const auto bits = hn::BitCast(words, value);
  const auto is_odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(words, 1));
  const auto up = hn::Add(bits, hn::Add(is_odd, hn::Set(words, 0x7FFF)));
  // The addition would carry a NaN's payload into its sign.
  const auto quiet = hn::Or(bits, hn::Set(words, 0x00400000));
  return hn::IfThenElse(hn::RebindMask(words, hn::IsNaN(value)), quiet, up);
}

template <class D>
HWY_INLINE Words<D> pairs(D d, hn::Vec<D> lower, hn::Vec<D> upper) {
  const hn::Rebind<uint32_t, D> words;
  const auto high = hn::And(rounded(d, upper), hn::Set(words, 0xFFFF0000));
  return hn::Or(high, hn::ShiftRight<16>(rounded(d, lower)));
}

template <class D>
HWY_INLINE void store_pairs(D d, hn::Vec<D> lower, hn::Vec<D> upper, uint32_t* out) {
  hn::StoreU(pairs(d, lower, upper), hn::Rebind<uint32_t, D>(), out);
}

void round_row(const float* row, float factor, int64_t columns, uint32_t* out) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factors = hn::Set(d, factor);
  int64_t column = 0;
  for (; column + 2 * lanes <= columns; column += 2 * lanes) {
    hn::Vec<decltype(d)> even, odd;
    hn::LoadInterleaved2(d, row + column, even, odd);
    store_pairs(d, hn::Mul(factors, even), hn::Mul(factors, odd), out + column / 2);
  }
  for (; column < columns; column += 2) {
    const float next = column + 1 < columns ? factor * row[column + 1] : 0.0f;
    store_pairs(one, hn::Set(one, factor * row[column]), hn::Set(one, next), out + column / 2);
  }
}

template <class D>
HWY_INLINE void pair_vectors(D d, const float* even, float even_factor, const float* odd, float odd_factor,
                             uint32_t* out) {
  const auto upper = odd ? hn::Mul(hn::Set(d, odd_factor), hn::LoadU(d, odd)) : hn::Zero(d);
  store_pairs(d, hn::Mul(hn::Set(d, even_factor), hn::LoadU(d, even)), upper, out);
}

void pair_rows(const float* even, float even_factor, const float* odd, float odd_factor, int64_t columns,
               uint32_t* out) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= columns; c += lanes) {
    pair_vectors(d, even + c, even_factor, odd ? odd + c : nullptr, odd_factor, out + c);
  }
  for (; c < columns; ++c) {
    pair_vectors(one, even + c, even_factor, odd ? odd + c : nullptr, odd_factor, out + c);
  }
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vcas::ops::kernels {

HWY_EXPORT(round_row);
HWY_EXPORT(pair_rows);

void round_row(const float* row, float factor, int64_t columns, uint32_t* out) {
  HWY_DYNAMIC_DISPATCH(round_row)(row, factor, columns, out);
}

void pair_rows(const float* even, float even_factor, const float* odd, float odd_factor, int64_t columns,
               uint32_t* out) {
  HWY_DYNAMIC_DISPATCH(pair_rows)(even, even_factor, odd, odd_factor, columns, out);
}

}  // namespace vcas::ops::kernels
#endif
