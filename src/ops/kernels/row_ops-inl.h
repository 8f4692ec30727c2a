// What the element-wise kernels share: passes over one row in whole vectors with a masked last one, and sums
// of squares in float64. Included once for each instruction set.
#if defined(VCAS_OPS_KERNELS_ROW_OPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VCAS_OPS_KERNELS_ROW_OPS_INL_H_
#undef VCAS_OPS_KERNELS_ROW_OPS_INL_H_
#else
#define VCAS_OPS_KERNELS_ROW_OPS_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;

/// Access to a whole vector of a row.
struct WholeVector {
  HWY_INLINE VF load(const float* p) const { return hn::LoadU(DF(), p); }
  HWY_INLINE void store(VF v, float* p) const { hn::StoreU(v, DF(), p); }
  /// Zero in lanes beyond the row's end.
  HWY_INLINE VF inside(VF v) const { return v; }
  HWY_INLINE VF inside_or(VF v, VF /*outside*/) const { return v; }
};

/// Access to the last vector of a row whose length is no multiple of a vector's: lanes beyond the end read as
/// zero and are not written.
struct LastVector {
  hn::Mask<DF> mask;
  HWY_INLINE VF load(const float* p) const { return hn::MaskedLoad(mask, DF(), p); }
  HWY_INLINE void store(VF v, float* p) const { hn::BlendedStore(v, mask, DF(), p); }
  HWY_INLINE VF inside(VF v) const { return hn::IfThenElseZero(mask, v); }
  HWY_INLINE VF inside_or(VF v, VF outside) const { return hn::IfThenElse(mask, v, outside); }
};

/// body(access, column) for every vector of a row.
template <class Body>
HWY_INLINE void for_each_vector(int64_t columns, const Body& body) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t column = 0;
  for (; column + lanes <= columns; column += lanes) body(WholeVector{}, column);
  if (column < columns) body(LastVector{hn::FirstN(d, static_cast<size_t>(columns - column))}, column);
}

HWY_INLINE float sum_of_lanes(VF v) { return hn::GetLane(hn::SumOfLanes(DF(), v)); }

/// Σ v² in float64, where no finite float's square overflows.
class SquareSum {
 public:
  HWY_INLINE SquareSum() : low_(hn::Zero(DD())), high_(hn::Zero(DD())) {}

  HWY_INLINE void add(VF v) {
    const DD d;
#if HWY_TARGET == HWY_SCALAR
    const auto wide = hn::PromoteTo(d, v);
    low_ = hn::MulAdd(wide, wide, low_);
#else
    const hn::Half<DF> half;
    const auto low = hn::PromoteTo(d, hn::LowerHalf(half, v)),
               high = hn::PromoteTo(d, hn::UpperHalf(half, v));
    low_ = hn::MulAdd(low, low, low_);
    high_ = hn::MulAdd(high, high, high_);
#endif
  }

  HWY_INLINE double total() const { return hn::GetLane(hn::SumOfLanes(DD(), hn::Add(low_, high_))); }

 private:
#if HWY_TARGET == HWY_SCALAR
  using DD = hn::Rebind<double, DF>;
#else
  using DD = hn::Repartition<double, DF>;
#endif
  hn::Vec<DD> low_, high_;
};

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
