#include "ops/kernels/adamw.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "ops/kernels/array_blocks.h"
#include "ops/kernels/parallel.h"
#include "sampling/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/adamw.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include "ops/kernels/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {

/// A vector of weights with its moments.
struct AdamWVector {
  VF param, exp_avg, exp_avg_sq;

  HWY_INLINE void step(const AdamWFactors& factors, VF grad) {
    const DF d;
    const auto g = hn::Mul(hn::Set(d, factors.grad_scale), grad);
    update_moments(factors, g);
    const auto root = hn::Div(hn::Sqrt(exp_avg_sq), hn::Set(d, factors.root_correction));
    const auto quotient = hn::Div(exp_avg, hn::Add(root, hn::Set(d, factors.epsilon)));
    const auto decayed = hn::Mul(hn::Set(d, factors.decay), param);
    param = hn::NegMulAdd(hn::Set(d, factors.step_size), quotient, decayed);
  }

  HWY_INLINE void update_moments(const AdamWFactors& factors, VF g) {
    const DF d;
    exp_avg = hn::MulAdd(hn::Set(d, factors.keep1), exp_avg, hn::Mul(hn::Set(d, factors.take1), g));
    exp_avg_sq =
        hn::MulAdd(hn::Set(d, factors.keep2), exp_avg_sq, hn::Mul(hn::Set(d, factors.take2), hn::Mul(g, g)));
  }
};

template <class Access>
HWY_INLINE AdamWVector load_vector(const Access& access, const AdamWRows& rows, int64_t place) {
  return {access.load(rows.param + place), access.load(rows.exp_avg + place),
          access.load(rows.exp_avg_sq + place)};
}

template <class Access>
HWY_INLINE void store_vector(const AdamWVector& vector, const Access& access, const AdamWRows& rows,
                             int64_t place) {
  access.store(vector.param, rows.param + place);
  access.store(vector.exp_avg, rows.exp_avg + place);
  access.store(vector.exp_avg_sq, rows.exp_avg_sq + place);
}

void adamw_range(const AdamWFactors& factors, int64_t count, const AdamWRows& range, const float* grad) {
  for_each_vector(count, [&](const auto& access, int64_t i) HWY_ATTR {
    auto vector = load_vector(access, range, i);
    vector.step(factors, access.load(grad + i));
    store_vector(vector, access, range, i);
  });
}

/// Whether no step of a size up to `limit`·|param|/|exp_avg| changes a weight: a quotient is at most
/// |exp_avg|/ε.
HWY_INLINE bool is_settled(const AdamWVector& vector, VF limit) {
  const DF d;
  return hn::AllTrue(d, hn::Le(hn::Abs(vector.exp_avg), hn::Mul(limit, hn::Abs(vector.param))));
}

/// @param limit as is_settled() takes it; NaN: weights may change in every step.
void adamw_skipped_row(std::span<const AdamWFactors> steps, const AdamWRows& rows, int64_t row, float limit) {
  constexpr size_t kStepsBetweenTests = 16;
  const auto limits = hn::Set(DF(), limit);
  const auto zero = hn::Zero(DF());
  for_each_vector(rows.width, [&](const auto& access, int64_t column) HWY_ATTR {
    auto vector = load_vector(access, rows, row * rows.width + column);
    size_t i = 0;
    for (; i < steps.size(); ++i) {
      if (i % kStepsBetweenTests == 0 && is_settled(vector, limits)) break;
      vector.step(steps[i], zero);
    }
    for (; i < steps.size(); ++i) vector.update_moments(steps[i], zero);
    store_vector(vector, access, rows, row * rows.width + column);
  });
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vcas::ops::kernels {

HWY_EXPORT(adamw_range);
HWY_EXPORT(adamw_skipped_row);

namespace {

/// body(i) for every listed row, some rows a task.
template <class Body>
void for_each_row(const AdamWRows& rows, const Body& body) {
  constexpr int64_t kRows = 8;
  const auto count = static_cast<int64_t>(rows.rows.size());
  parallel_tasks((count + kRows - 1) / kRows, [&](int64_t block, int) {
    for (int64_t i = block * kRows; i < std::min(count, (block + 1) * kRows); ++i) body(i);
  });
}

/// |exp_avg| ≤ limit·|param| makes every step's change less than a quarter of param's last place.
float settled_limit(std::span<const AdamWFactors> steps) {
  constexpr float kNever = std::numeric_limits<float>::quiet_NaN();
  float largest_step = 0;
  for (const AdamWFactors& step : steps) {
    if (step.decay != 1) return kNever;
    largest_step = std::max(largest_step, step.step_size);
  }
  if (!(steps.front().epsilon > 0)) return kNever;
  // A learning rate of 0 changes nothing at all.
  return largest_step > 0 ? 0x1p-27f * steps.front().epsilon / largest_step : 0;
}

}  // namespace

void adamw_step(std::span<const AdamWArrays> parameters) {
  std::vector<int64_t> counts;
  for (const AdamWArrays& p : parameters) counts.push_back(p.count);
  const ArrayBlocks blocks(counts);
  parallel_tasks(blocks.count(), [&](int64_t block, int) {
    const auto [array, first, length] = blocks.at(block);
    const AdamWArrays& p = parameters[array];
    const AdamWRows range{{}, length, p.param + first, p.exp_avg + first, p.exp_avg_sq + first};
    HWY_DYNAMIC_DISPATCH(adamw_range)(p.factors, length, range, p.grad + first);
  });
}

void adamw_skipped_steps(std::span<const AdamWFactors> steps, const AdamWRows& rows) {
  if (steps.empty()) return;
  const float limit = settled_limit(steps);
  for_each_row(rows, [&](int64_t i) {
    const auto& [row, first_step] = rows.rows[static_cast<size_t>(i)];
    const auto skipped = steps.subspan(static_cast<size_t>(first_step));
    HWY_DYNAMIC_DISPATCH(adamw_skipped_row)(skipped, rows, row, limit);
  });
}

void adamw_row_step(const AdamWFactors& step, const AdamWRows& rows, const float* grad) {
  for_each_row(rows, [&](int64_t i) {
    const int64_t place = rows.rows[static_cast<size_t>(i)].row * rows.width;
    const AdamWRows range{{}, rows.width, rows.param + place, rows.exp_avg + place, rows.exp_avg_sq + place};
    HWY_DYNAMIC_DISPATCH(adamw_range)(step, rows.width, range, grad + i * rows.width);
  });
}

}  // namespace vcas::ops::kernels
#endif
