#include "vcas/training/methods/upper_bound.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "nn/host_values.h"
#include "sampling/host.h"
#include "training/methods/kept_samples.h"

namespace vcas::training {

UpperBoundSampling::UpperBoundSampling(const UpperBoundOptions& options, sampling::DrawMethod draw_method,
                                       sampling::SamplingLayout layout, uint64_t seed)
    : options_(options), draw_method_(draw_method), layout_(std::move(layout)), seed_(seed) {
  TORCH_CHECK(0 < options.keep_ratio && options.keep_ratio <= 1,
              "upper bound sampling: expected keep_ratio in (0, 1], got ", options.keep_ratio);
}

MicroBatchGradient UpperBoundSampling::backward(MicroBatch& batch, double loss_scale) {
  const auto norms = nn::to_vector<double>(batch.pass.output_gradient_norms());
  const auto samples = static_cast<int64_t>(norms.size());
  const int64_t count = sampling::count_from_ratio(options_.keep_ratio, samples);
  const auto draw = sampling::draw(norms, count, draw_method_, selection_stream(seed_, batch));
  std::vector<double> weights(norms.size(), 0);
  for (size_t i = 0; i < draw.indices.size(); ++i)
    weights[static_cast<size_t>(draw.indices[i])] = draw.scales[i];
  // A bernoulli draw may keep none; a plan counts at least one.
  const auto kept = std::max<int64_t>(static_cast<int64_t>(draw.indices.size()), 1);
  return backward_of_kept(batch, layout_, weights, kept, loss_scale, status_);
}

}  // namespace vcas::training
