#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "ops/kernels/row_view.h"
#include "sampling/highway_targets.h"
// after highway_targets.h
#include <hwy/highway.h>

namespace vcas::ops::kernels::testing {

/// Unit round-off of float32.
constexpr double kRoundOff = 0x1p-24;

inline at::Tensor normal(at::IntArrayRef sizes, uint64_t seed) {
  return at::randn(sizes, at::detail::createCPUGenerator(seed), at::kFloat);
}

/// `count` distinct rows below `total`, in no order.
inline at::Tensor some_rows(int64_t count, int64_t total, uint64_t seed) {
  return at::randperm(total, at::detail::createCPUGenerator(seed), at::kLong)
      .narrow(0, 0, count)
      .contiguous();
}

/// A matrix, with or without an index and a factor for each of its rows, and what it stands for in float64.
struct TestRows {
  at::Tensor data, index, scale;

  static TestRows plain(int64_t rows, int64_t columns, uint64_t seed) {
    return {normal({rows, columns}, seed), {}, {}};
  }
  /// `rows` of a matrix that has half as many again, each with a factor.
  static TestRows gathered(int64_t rows, int64_t columns, uint64_t seed) {
    const int64_t total = rows + rows / 2 + 1;
    return {normal({total, columns}, seed), some_rows(rows, total, seed + 1),
            normal({rows}, seed + 2).abs().add_(0.5)};
  }

  RowView view() const {
    return {data.const_data_ptr<float>(), data.size(1),
            index.defined() ? index.const_data_ptr<int64_t>() : nullptr,
            scale.defined() ? scale.const_data_ptr<float>() : nullptr};
  }
  at::Tensor dense() const {
    at::Tensor rows = index.defined() ? data.index_select(0, index) : data;
    rows = rows.to(at::kDouble);
    return scale.defined() ? rows * scale.to(at::kDouble).unsqueeze(1) : rows;
  }
};

/// |got - want| ≤ bound in every element.
inline ::testing::AssertionResult within(const at::Tensor& got, const at::Tensor& want,
                                         const at::Tensor& bound) {
  const at::Tensor excess = (got.to(at::kDouble) - want).abs() - bound;
  // Negated, so that a NaN fails.
  if (!excess.le(0).all().item<bool>()) {
    return ::testing::AssertionFailure() << "largest excess over the bound " << excess.max().item<double>();
  }
  return ::testing::AssertionSuccess();
}

/// |got - want| ≤ relative·(largest |want|, or `size` if that is larger) in every element.
inline ::testing::AssertionResult close(const at::Tensor& got, const at::Tensor& want, double relative,
                                        double size = 0.0) {
  const double largest = want.numel() > 0 ? want.abs().max().item<double>() : 0.0;
  return within(got, want, at::full_like(want, relative * std::max(largest, size)));
}

inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.numel() == b.numel() && std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

/// Runs kernels compiled for a given instruction set while it lives.
class ForcedTarget {
 public:
  explicit ForcedTarget(int64_t target) { hwy::SetSupportedTargetsForTest(target); }
  ~ForcedTarget() { hwy::SetSupportedTargetsForTest(0); }
  ForcedTarget(const ForcedTarget&) = delete;
  ForcedTarget& operator=(const ForcedTarget&) = delete;
};

/// Runs body(target) once for each instruction set that the kernels are compiled for and this machine has.
template <class Body>
void for_each_target(const Body& body) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    const ForcedTarget forced(target);
    body(target);
  }
}

}  // namespace vcas::ops::kernels::testing
