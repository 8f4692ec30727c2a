#include "vcas/sampling/distance.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "sampling/float_array.h"

namespace vcas::sampling {
namespace {

constexpr int64_t kChunk = 1 << 16;
constexpr int64_t kLanes = 8;

/// Σ (a_i - b_i)² of one chunk; b null: Σ a_i². Independent lanes let the compiler vectorise.
double chunk_sum(const float* a, const float* b, int64_t count) {
  std::array<double, kLanes> lanes{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const double value =
          static_cast<double>(a[i + lane]) - (b != nullptr ? static_cast<double>(b[i + lane]) : 0.0);
      lanes[lane] += value * value;
    }
  for (; i < count; ++i) {
    const double value = static_cast<double>(a[i]) - (b != nullptr ? static_cast<double>(b[i]) : 0.0);
    lanes[0] += value * value;
  }
  return std::accumulate(lanes.begin(), lanes.end(), 0.0);
}

double array_sum(const float* a, const float* b, int64_t count) {
  std::vector<double> sums((count + kChunk - 1) / kChunk);
  at::parallel_for(0, static_cast<int64_t>(sums.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * kChunk;
      sums[chunk] = chunk_sum(a + first, b != nullptr ? b + first : nullptr, std::min(kChunk, count - first));
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace

double squared_norm(const at::Tensor& a) {
  if (a.is_sparse()) return squared_norm(a.detach().coalesce().values());
  if (is_float_array(a)) return array_sum(a.const_data_ptr<float>(), nullptr, a.numel());
  const auto values = a.detach().to(at::kDouble);
  return (values * values).sum().item<double>();
}

double squared_distance(const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK(a.sizes() == b.sizes(), "squared_distance: expected equal shapes, got ", a.sizes(), " and ",
              b.sizes());
  if (a.is_sparse() && b.is_sparse()) return squared_norm(a.detach() - b.detach());
  if (a.is_sparse() || b.is_sparse()) return squared_distance(a.to_dense(), b.to_dense());
  if (is_float_array(a) && is_float_array(b))
    return array_sum(a.const_data_ptr<float>(), b.const_data_ptr<float>(), a.numel());
  return squared_norm(a.detach().to(at::kDouble) - b.detach().to(at::kDouble));
}

double squared_distance(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  TORCH_CHECK(a.size() == b.size(), "squared_distance: expected equally many tensors, got ", a.size(),
              " and ", b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += squared_distance(a[i], b[i]);
  return sum;
}

}  // namespace vcas::sampling
