#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ceil.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/round.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <limits>
#include <optional>

#include "sampling/draw.h"
#include "sampling/finite.h"
#include "sampling/inclusion.h"
#include "sampling/philox_tensor.h"
#include "sampling/random.h"

namespace vcas::sampling {
namespace {

// Upper and lower words of the 64 bits of entries 0..n-1, int64.
struct EntryWords {
  at::Tensor upper, lower;
};

EntryWords entry_words(int64_t n, const StreamKey& stream, const at::Tensor& like) {
  const at::Tensor block = at::arange((n + 1) / 2, like.options().dtype(at::kLong));
  const auto words = philox_words(block, at::zeros_like(block), stream);
  return {at::stack({words[0], words[2]}, 1).reshape({-1}).slice(0, 0, n),
          at::stack({words[1], words[3]}, 1).reshape({-1}).slice(0, 0, n)};
}

// [n] true for the entries that a systematic draw in random order keeps; draw_host.cpp says how it works.
at::Tensor kept_fixed(const at::Tensor& probabilities, const StreamKey& stream) {
  const EntryWords words = entry_words(probabilities.numel(), stream, probabilities);
  const at::Tensor key = words.upper.__lshift__(31).bitwise_or(words.lower.__rshift__(1));
  const at::Tensor order = std::get<1>(at::sort(key, /*stable=*/std::optional<bool>(true), 0, false));
  const at::Tensor certain = probabilities >= 1;
  const at::Tensor open = at::where(certain, 0.0, probabilities);
  const at::Tensor cumulated = at::cumsum(at::gather(open, 0, order), 0);
  const at::Tensor raw_total = cumulated.slice(0, -1);
  const double u = uniform_from_bits(entry_bits(stream, StreamKey::kDrawBlock)[0]);
  const at::Tensor points = at::ceil(at::where(cumulated >= raw_total, at::round(raw_total), cumulated) - u);
  const at::Tensor before = at::cat({at::zeros_like(raw_total), points.slice(0, 0, -1)});
  const at::Tensor hit = points > before;
  return at::zeros_like(certain).scatter(0, order, hit).logical_or(certain);
}

at::Tensor scales_of(const at::Tensor& weights, const at::Tensor& probabilities) {
  const at::Tensor finite = all_finite(weights);
  const at::Tensor scales = at::where(weights.max() > 0, probabilities.reciprocal(), 0.0);
  return at::where(finite, scales, std::numeric_limits<double>::quiet_NaN());
}

}  // namespace

Draw draw_generic(const at::Tensor& weights, int64_t count, DrawMethod method, const StreamKey& stream) {
  const at::Tensor probabilities = inclusion_probabilities_generic(weights, count);
  const at::Tensor values = weights.detach().to(at::kDouble);
  const at::Tensor scales = scales_of(values, probabilities);
  const int64_t n = weights.numel();
  if (method == DrawMethod::fixed) {
    // Kept entries rank first; should rounding have lost one, the likeliest of the others takes its place.
    const at::Tensor rank = at::where(kept_fixed(probabilities, stream), 2.0, probabilities);
    const at::Tensor indices = std::get<0>(at::sort(std::get<1>(at::topk(rank, count))));
    return {indices, at::gather(scales, 0, indices)};
  }
  const at::Tensor finite = all_finite(values);
  const at::Tensor takes_part = (values > 0).logical_or(finite.logical_not());
  const at::Tensor kept = (uniform(n, stream, weights) < probabilities).logical_and(takes_part);
  const at::Tensor position = at::arange(n, kept.options().dtype(at::kLong));
  const auto [slot, order] = at::sort(at::where(kept, position, n));
  return {at::where(slot < n, order, -1), at::where(slot < n, at::gather(scales, 0, order), 0.0)};
}

at::Tensor uniform(int64_t n, const StreamKey& stream, const at::Tensor& like) {
  const EntryWords words = entry_words(n, stream, like);
  const at::Tensor bits = words.upper.__lshift__(20).bitwise_or(words.lower.__rshift__(12));
  return (bits.to(at::kDouble) + 0.5) * 0x1p-52;
}

}  // namespace vcas::sampling
