#include "sampling/float_sums.h"

#include "sampling/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sampling/float_sums.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace vcas::sampling::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::ScalableTag<double>;

/// @param value (tag of a vector or of one number, index), the terms before they are squared.
template <class Value>
HWY_INLINE double sum_squares_of(int64_t count, const Value& value) {
  const Doubles d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  // Independent sums, so that no addition waits for the one before.
  auto sum0 = hn::Zero(d), sum1 = hn::Zero(d), sum2 = hn::Zero(d), sum3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    const auto v0 = value(d, i), v1 = value(d, i + lanes);
    const auto v2 = value(d, i + 2 * lanes), v3 = value(d, i + 3 * lanes);
    sum0 = hn::MulAdd(v0, v0, sum0);
    sum1 = hn::MulAdd(v1, v1, sum1);
    sum2 = hn::MulAdd(v2, v2, sum2);
    sum3 = hn::MulAdd(v3, v3, sum3);
  }
  const hn::CappedTag<double, 1> one;
  auto rest = hn::Zero(one);
  for (; i < count; ++i) rest = hn::MulAdd(value(one, i), value(one, i), rest);
  const auto sum = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
  return hn::GetLane(hn::SumOfLanes(d, sum)) + hn::GetLane(rest);
}

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float* place) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, D>(), place));
}

double sum_of_squares(const float* a, int64_t count) {
  return sum_squares_of(count, [a](auto d, int64_t i) HWY_ATTR { return load(d, a + i); });
}

double sum_of_squared_differences(const float* a, const float* b, int64_t count) {
  return sum_squares_of(
      count, [a, b](auto d, int64_t i) HWY_ATTR { return hn::Sub(load(d, a + i), load(d, b + i)); });
}

}  // namespace vcas::sampling::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vcas::sampling {

HWY_EXPORT(sum_of_squares);
HWY_EXPORT(sum_of_squared_differences);

double sum_of_squares(const float* a, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(sum_of_squares)(a, count);
}

double sum_of_squared_differences(const float* a, const float* b, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(sum_of_squared_differences)(a, b, count);
}

}  // namespace vcas::sampling
#endif
