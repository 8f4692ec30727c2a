#include "sampling/inclusion.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/cumprod.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/where.h>

#include "sampling/checks.h"
#include "sampling/finite.h"
#include "sampling/host.h"

namespace vcas::sampling {
namespace {

void check_weights(const at::Tensor& weights) {
  TORCH_CHECK(weights.dim() == 1 && at::isFloatingType(weights.scalar_type()),
              "inclusion_probabilities: expected a floating point tensor [n] of weights, got ",
              weights.toString(), weights.sizes());
}

// p when more than `count` weights are positive. Ascending order; with m entries fixed at 1 the largest of
// the others is entry n-m-1, and it reaches 1 when (count - m)·w ≥ Σ of the n - m smallest.
at::Tensor fill(const at::Tensor& weights, int64_t count) {
  const int64_t n = weights.numel();
  const at::Tensor ascending = std::get<0>(at::sort(weights));
  const at::Tensor sums = at::cumsum(ascending, 0);
  const at::Tensor saturated = at::arange(count - 1, weights.options());  // m, never the whole count
  const at::Tensor largest_open = ascending.slice(0, n - count + 1, n).flip(0);
  const at::Tensor open_sum = sums.slice(0, n - count + 1, n).flip(0);
  const at::Tensor reaches = (count - saturated) * largest_open >= open_sum;
  const at::Tensor m = at::cumprod(reaches.to(at::kLong), 0).sum().reshape({1});
  const at::Tensor total = at::gather(sums, 0, n - 1 - m);
  return at::clamp((count - m) * weights / total, 0.0, 1.0);
}

}  // namespace

at::Tensor inclusion_probabilities(const at::Tensor& weights, int64_t count) {
  if (!weights.device().is_cpu()) return inclusion_probabilities_generic(weights, count);
  check_weights(weights);
  const at::Tensor values = weights.detach().to(at::kDouble).contiguous();
  at::Tensor result = at::empty_like(values);
  const auto n = static_cast<size_t>(values.numel());
  inclusion_probabilities(std::span(values.const_data_ptr<double>(), n), count,
                          std::span(result.data_ptr<double>(), n));
  return result;
}

at::Tensor inclusion_probabilities_generic(const at::Tensor& weights, int64_t count) {
  check_weights(weights);
  const int64_t n = weights.numel();
  check_count(count, n);
  const at::Tensor raw = weights.detach().to(at::kDouble);
  const at::Tensor finite = all_finite(raw);
  const at::Tensor values = at::where(finite, raw, 1.0);
  const at::Tensor factor =
      at::where(values.max() > kLargeWeight, at::full({}, 1 / kLargeWeight, raw.options()), 1.0);
  const at::Tensor positive = values > 0;
  const at::Tensor alive = positive.sum();
  const at::Tensor rest = (count - alive).to(at::kDouble) / (n - alive);
  const at::Tensor few = at::where(positive, at::ones_like(values), rest);
  const at::Tensor filled = at::where(alive <= count, few, fill(values * factor, count));
  const at::Tensor position = at::arange(n, raw.options().dtype(at::kLong));
  return at::where(finite, filled, (position < count).to(at::kDouble));
}

}  // namespace vcas::sampling
