#include "ops/kernels/adamw.h"

#include "ops/kernels/adamw_factors.h"
#include "ops/kernels/highway_targets.h"
#include "ops/kernels/parallel.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/adamw.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include "ops/kernels/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {

void adamw_range(const AdamWFactors& factors, int64_t count, float* param, const float* grad, float* exp_avg,
                 float* exp_avg_sq) {
  const DF d;
  const auto grad_scale = hn::Set(d, factors.grad_scale), decay = hn::Set(d, factors.decay);
  const auto keep1 = hn::Set(d, factors.keep1), take1 = hn::Set(d, factors.take1);
  const auto keep2 = hn::Set(d, factors.keep2), take2 = hn::Set(d, factors.take2);
  const auto step_size = hn::Set(d, factors.step_size), epsilon = hn::Set(d, factors.epsilon);
  const auto root_correction = hn::Set(d, factors.root_correction);
  for_each_vector(count, [&](const auto& access, int64_t i) HWY_ATTR {
    const auto g = hn::Mul(grad_scale, access.load(grad + i));
    const auto m = hn::MulAdd(keep1, access.load(exp_avg + i), hn::Mul(take1, g));
    const auto v = hn::MulAdd(keep2, access.load(exp_avg_sq + i), hn::Mul(take2, hn::Mul(g, g)));
    const auto denominator = hn::Add(hn::Div(hn::Sqrt(v), root_correction), epsilon);
    const auto decayed = hn::Mul(decay, access.load(param + i));
    access.store(m, exp_avg + i);
    access.store(v, exp_avg_sq + i);
    access.store(hn::NegMulAdd(step_size, hn::Div(m, denominator), decayed), param + i);
  });
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vcas::ops::kernels {

HWY_EXPORT(adamw_range);

void adamw_step(const AdamWOptions& options, int64_t count, float* param, const float* grad, float* exp_avg,
                float* exp_avg_sq) {
  constexpr int64_t kBlock = 16384;
  const AdamWFactors factors(options);
  parallel_tasks((count + kBlock - 1) / kBlock, [&](int64_t block, int) {
    const int64_t first = block * kBlock, length = std::min(kBlock, count - first);
    HWY_DYNAMIC_DISPATCH(adamw_range)
    (factors, length, param + first, grad + first, exp_avg + first, exp_avg_sq + first);
  });
}

}  // namespace vcas::ops::kernels
#endif
