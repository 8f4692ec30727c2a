#include "sampling/distance.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "sampling/float_array.h"
#include "sampling/float_sums.h"

namespace vcas::sampling {
namespace {

constexpr int64_t kChunk = 1 << 16;

/// Σ of sum(first, count) over chunks, in order whatever the threads.
double sum_over_chunks(int64_t count, const std::function<double(int64_t first, int64_t count)>& sum) {
  std::vector<double> sums(static_cast<size_t>((count + kChunk - 1) / kChunk));
  at::parallel_for(0, static_cast<int64_t>(sums.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * kChunk;
      sums[static_cast<size_t>(chunk)] = sum(first, std::min(kChunk, count - first));
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace

double squared_norm(const at::Tensor& a) {
  if (a.is_sparse()) return squared_norm(a.detach().coalesce().values());
  if (is_float_array(a)) {
    const auto* values = a.const_data_ptr<float>();
    return sum_over_chunks(
        a.numel(), [=](int64_t first, int64_t count) { return sum_of_squares(values + first, count); });
  }
  const auto values = a.detach().to(at::kDouble);
  return (values * values).sum().item<double>();
}

double squared_distance(const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK(a.sizes() == b.sizes(), "squared_distance: expected equal shapes, got ", a.sizes(), " and ",
              b.sizes());
  if (a.is_sparse() && b.is_sparse()) return squared_norm(a.detach() - b.detach());
  if (a.is_sparse() || b.is_sparse()) return squared_distance(a.to_dense(), b.to_dense());
  if (is_float_array(a) && is_float_array(b)) {
    const auto *left = a.const_data_ptr<float>(), *right = b.const_data_ptr<float>();
    return sum_over_chunks(a.numel(), [=](int64_t first, int64_t count) {
      return sum_of_squared_differences(left + first, right + first, count);
    });
  }
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
