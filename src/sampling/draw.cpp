#include "sampling/draw.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "sampling/host.h"

namespace vcas::sampling {

Draw draw(const at::Tensor& weights, int64_t count, DrawMethod method, const StreamKey& stream) {
  if (!weights.device().is_cpu()) return draw_generic(weights, count, method, stream);
  TORCH_CHECK(weights.dim() == 1 && at::isFloatingType(weights.scalar_type()),
              "draw: expected a floating point tensor [n] of weights, got ", weights.toString(),
              weights.sizes());
  const at::Tensor values = weights.detach().to(at::kDouble).contiguous();
  const HostDraw host =
      draw({values.const_data_ptr<double>(), static_cast<size_t>(values.numel())}, count, method, stream);
  const int64_t slots = method == DrawMethod::fixed ? count : values.numel();
  Draw result{at::full({slots}, -1, at::kLong), at::zeros({slots}, at::kDouble)};
  std::copy(host.indices.begin(), host.indices.end(), result.indices.data_ptr<int64_t>());
  std::copy(host.scales.begin(), host.scales.end(), result.scales.data_ptr<double>());
  return result;
}

Draw draw_samples(const at::Tensor& norms, const BlockPlan& plan) {
  if (!plan.sampled)
    return {at::arange(norms.numel(), norms.options().dtype(at::kLong)),
            at::ones({norms.numel()}, norms.options())};
  return draw(norms, plan.sample_count, plan.draw_method, plan.stream.at(Site::sample_activation));
}

}  // namespace vcas::sampling
