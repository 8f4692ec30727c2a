// The exponential function and the reciprocal for the ranges that the kernels need. Included once for each
// instruction set.
#if defined(VCAS_OPS_KERNELS_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VCAS_OPS_KERNELS_EXP_INL_H_
#undef VCAS_OPS_KERNELS_EXP_INL_H_
#else
#define VCAS_OPS_KERNELS_EXP_INL_H_
#endif

#include "ops/kernels/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {

/// exp(x) for x ≤ 88, relative error below 1.5e-7; 0 below -87.3, where the result would be denormal. NaN
/// stays NaN. exp(x) = 2ⁿ·exp(r) with n = round(x/ln 2), |r| ≤ ln(2)/2, ln 2 in two parts; exp(r) = 1 + r +
/// r²P(r), P of degree 4 fitted to the smallest largest relative error (3e-9).
HWY_INLINE VF exponential(VF x) {
  const DF d;
  const hn::RebindToSigned<DF> di;
  // Adding 1.5·2²³ rounds to an integer, which the lowest bits of the sum then hold.
  const auto magic = hn::Set(d, 12582912.0f);
  const auto rounded = hn::MulAdd(x, hn::Set(d, 1.4426950408889634f), magic);
  const auto n = hn::Sub(rounded, magic);
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  auto p = hn::Set(d, 0.0013814539415761828f);
  p = hn::MulAdd(p, r, hn::Set(d, 0.00836874544620514f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.04166838899254799f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.1666652113199234f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.4999999403953552f));
  p = hn::MulAdd(hn::Mul(r, r), p, hn::Add(r, hn::Set(d, 1.0f)));
  const auto power = hn::ShiftLeft<23>(hn::BitCast(di, rounded));
  const auto result = hn::BitCast(d, hn::Add(hn::BitCast(di, p), power));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.3f)), result);
}

/// 1/x for 1 ≤ x ≤ 1e38 to a few round-offs: an estimate, improved by Newton steps, is faster than a
/// division.
HWY_INLINE VF reciprocal(VF x) {
  const DF d;
  const auto two = hn::Set(d, 2.0f);
  auto estimate = hn::ApproximateReciprocal(x);
  // 14 bits to begin with on AVX-512, 11 or 8 elsewhere.
  constexpr int kSteps = HWY_TARGET == HWY_AVX3 ? 1 : 2;
  for (int step = 0; step < kSteps; ++step) {
    estimate = hn::Mul(estimate, hn::NegMulAdd(x, estimate, two));
  }
  return estimate;
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
