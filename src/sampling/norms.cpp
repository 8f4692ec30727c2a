#include "sampling/norms.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace vcas::sampling {
namespace {

// Squares outside this range may have over- or underflowed; only float64 input can get there.
constexpr double kSmallestSafeSquare = 1e-200, kLargestSafeSquare = 1e300;

template <typename T>
double sum_of_squares(const T* values, int64_t count, double divisor) {
  double partial[4] = {};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (int64_t lane = 0; lane < 4; ++lane) {
      const double value = static_cast<double>(values[i + lane]) / divisor;
      partial[lane] += value * value;
    }
  }
  for (; i < count; ++i) {
    const double value = static_cast<double>(values[i]) / divisor;
    partial[0] += value * value;
  }
  return (partial[0] + partial[1]) + (partial[2] + partial[3]);
}

template <typename T>
double norm(const T* values, int64_t count) {
  const double square = sum_of_squares(values, count, 1.0);
  if (std::isnan(square) || (square >= kSmallestSafeSquare && square <= kLargestSafeSquare))
    return std::sqrt(square);
  double largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(static_cast<double>(values[i])));
  if (largest == 0 || std::isinf(largest)) return largest;
  return largest * std::sqrt(sum_of_squares(values, count, largest));
}

template <typename T>
at::Tensor row_norms_cpu(const at::Tensor& rows) {
  const at::Tensor values = rows.contiguous();
  at::Tensor result = at::empty({rows.size(0)}, at::kDouble);
  const T* data = values.const_data_ptr<T>();
  double* out = result.data_ptr<double>();
  const int64_t columns = rows.size(1);
  const int64_t rows_per_task = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, columns));
  at::parallel_for(0, rows.size(0), rows_per_task, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) out[r] = norm(data + r * columns, columns);
  });
  return result;
}

void check_rows(const at::Tensor& rows) {
  TORCH_CHECK(rows.dim() == 2 && at::isFloatingType(rows.scalar_type()),
              "row_norms: expected a floating point tensor [R, C], got ", rows.toString(), rows.sizes());
}

void check_offsets(const at::Tensor& row_norm, const at::Tensor& offsets) {
  TORCH_CHECK(row_norm.dim() == 1 && row_norm.scalar_type() == at::kDouble,
              "sample_norms: expected row norms [R] float64, got ", row_norm.toString(), row_norm.sizes());
  TORCH_CHECK(offsets.dim() == 1 && offsets.numel() >= 1 && offsets.scalar_type() == at::kLong &&
                  offsets.device().is_cpu(),
              "sample_norms: expected offsets [N+1] int64 on the CPU, got ", offsets.toString(),
              offsets.sizes());
  const auto offset = offsets.accessor<int64_t, 1>();
  const int64_t last = offsets.numel() - 1;
  bool ascending = true;
  for (int64_t i = 0; i < last; ++i) ascending = ascending && offset[i] <= offset[i + 1];
  TORCH_CHECK(ascending && offset[0] == 0 && offset[last] == row_norm.numel(),
              "sample_norms: expected offsets from 0 to R = ", row_norm.numel(), ", ascending, got ",
              offset[0], " to ", offset[last]);
}

// [N, longest] rows of each sample, filled up with R, where the caller puts a zero.
at::Tensor padded_rows(const at::Tensor& offsets) {
  const auto offset = offsets.accessor<int64_t, 1>();
  const int64_t samples = offsets.numel() - 1;
  int64_t longest = 1;
  for (int64_t i = 0; i < samples; ++i) longest = std::max(longest, offset[i + 1] - offset[i]);
  at::Tensor rows = at::full({samples, longest}, offset[samples], at::kLong);
  auto row = rows.accessor<int64_t, 2>();
  for (int64_t i = 0; i < samples; ++i) {
    for (int64_t r = offset[i]; r < offset[i + 1]; ++r) row[i][r - offset[i]] = r;
  }
  return rows;
}

}  // namespace

at::Tensor row_norms(const at::Tensor& rows) {
  check_rows(rows);
  const at::Tensor values = rows.detach();
  if (!rows.device().is_cpu()) return row_norms_generic(values);
  switch (rows.scalar_type()) {
    case at::kDouble:
      return row_norms_cpu<double>(values);
    case at::kFloat:
      return row_norms_cpu<float>(values);
    case at::kBFloat16:
      return row_norms_cpu<at::BFloat16>(values);
    case at::kHalf:
      return row_norms_cpu<at::Half>(values);
    default:
      return row_norms_generic(values);
  }
}

at::Tensor row_norms_generic(const at::Tensor& rows) {
  check_rows(rows);
  const at::Tensor values = rows.detach().to(at::kDouble);
  if (values.size(1) == 0) return at::zeros({values.size(0)}, values.options());
  const at::Tensor largest = at::amax(values.abs(), 1);
  const at::Tensor scale = at::where((largest > 0).logical_and(at::isfinite(largest)), largest, 1.0);
  return (values / scale.unsqueeze(1)).square().sum(1).sqrt() * scale;
}

at::Tensor sample_norms(const at::Tensor& row_norm, const at::Tensor& offsets) {
  check_offsets(row_norm, offsets);
  if (!row_norm.device().is_cpu()) {
    const at::Tensor extended = at::cat({row_norm.detach(), at::zeros({1}, row_norm.options())});
    const at::Tensor rows = padded_rows(offsets).to(row_norm.device());
    return row_norms_generic(extended.index_select(0, rows.reshape({-1})).view(rows.sizes()));
  }
  const at::Tensor values = row_norm.detach().contiguous();
  const auto offset = offsets.accessor<int64_t, 1>();
  at::Tensor result = at::empty({offsets.numel() - 1}, at::kDouble);
  double* out = result.data_ptr<double>();
  for (int64_t i = 0; i < result.numel(); ++i) {
    out[i] = norm(values.const_data_ptr<double>() + offset[i], offset[i + 1] - offset[i]);
  }
  return result;
}

}  // namespace vcas::sampling
