#include "ops/kernels/layer_norm.h"

#include "ops/kernels/row_chunks.h"
#include "sampling/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/layer_norm.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include "ops/kernels/philox-inl.h"
#include "ops/kernels/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {

/// h = residual + dropout(input) of row r; returns its mean. @param factors [columns], scratch.
HWY_INLINE float add_residual(const LayerNormForward& args, int64_t r, int64_t columns, float* factors,
                              float* h) {
  const DF d;
  const float* input = args.input.row(r);
  const float* residual = args.residual.data ? args.residual.row(r) : nullptr;
  const auto input_factor = hn::Set(d, args.input.factor(r)),
             residual_factor = hn::Set(d, args.residual.factor(r));
  const bool masked = args.dropout.active();
  const int64_t mask_row = args.mask_rows ? args.mask_rows[r] : r;
  if (masked) fill_dropout_factors(args.dropout, static_cast<uint32_t>(mask_row), 1, 0, columns, factors);
  auto sum = hn::Zero(d);
  for_each_vector(columns, [&](const auto& access, int64_t c) HWY_ATTR {
    auto value = hn::Mul(input_factor, access.load(input + c));
    if (masked) value = hn::Mul(value, access.load(factors + c));
    if (residual) value = hn::MulAdd(residual_factor, access.load(residual + c), value);
    access.store(value, h + c);
    sum = hn::Add(sum, value);
  });
  return sum_of_lanes(sum) / static_cast<float>(columns);
}

HWY_INLINE float variance(const float* h, float mean, int64_t columns) {
  const DF d;
  const auto centre = hn::Set(d, mean);
  auto sum = hn::Zero(d);
  for_each_vector(columns, [&](const auto& access, int64_t c) HWY_ATTR {
    const auto deviation = access.inside(hn::Sub(access.load(h + c), centre));
    sum = hn::MulAdd(deviation, deviation, sum);
  });
  return sum_of_lanes(sum) / static_cast<float>(columns);
}

/// @param scratch [2 x columns].
void layer_norm_forward_rows(const LayerNormForward& args, int64_t begin, int64_t end, int64_t columns,
                             float* scratch) {
  const DF d;
  for (int64_t r = begin; r < end; ++r) {
    float* h = args.sum ? args.sum + r * columns : scratch + columns;
    float* y = args.output + r * columns;
    const float mean = add_residual(args, r, columns, scratch, h);
    const float rstd = 1.0f / std::sqrt(variance(h, mean, columns) + args.epsilon);
    const auto centre = hn::Set(d, mean), scale = hn::Set(d, rstd);
    SquareSum squares;
    for_each_vector(columns, [&](const auto& access, int64_t c) HWY_ATTR {
      const auto normal = hn::Mul(hn::Sub(access.load(h + c), centre), scale);
      const auto value = hn::MulAdd(normal, access.load(args.gamma + c), access.load(args.beta + c));
      access.store(value, y + c);
      squares.add(access.inside(value));
    });
    if (args.mean) args.mean[r] = mean;
    if (args.rstd) args.rstd[r] = rstd;
    if (args.output_norms) args.output_norms[r] = std::sqrt(squares.total());
  }
}

/// What one row's backward pass reads.
struct BackwardRow {
  const float* grad;
  const float* h;
  const float* gamma;
  VF grad_factor, h_factor, mean, rstd;

  HWY_INLINE BackwardRow(const LayerNormBackward& args, int64_t r)
      : grad(args.grad_output.row(r)), h(args.sum.row(r)), gamma(args.gamma) {
    const DF d;
    grad_factor = hn::Set(d, args.grad_output.factor(r));
    h_factor = hn::Set(d, args.sum.factor(r));
    mean = hn::Set(d, args.mean[args.sum.source_row(r)]);
    rstd = hn::Set(d, args.rstd[args.sum.source_row(r)]);
  }

  template <class Access>
  HWY_INLINE VF grad_output(const Access& access, int64_t c) const {
    return hn::Mul(grad_factor, access.load(grad + c));
  }
  /// x̂
  template <class Access>
  HWY_INLINE VF normal(const Access& access, int64_t c) const {
    return access.inside(hn::Mul(hn::Sub(hn::Mul(h_factor, access.load(h + c)), mean), rstd));
  }
};

/// Means over the columns of g and g·x̂, g = grad_output·gamma.
struct BackwardMeans {
  VF grad, grad_normal;
};

/// @param partial [2 x columns] or null: the row's terms of grad_gamma and grad_beta are added.
HWY_INLINE BackwardMeans backward_means(const BackwardRow& row, int64_t columns, float* partial) {
  const DF d;
  auto sum_grad = hn::Zero(d), sum_grad_normal = hn::Zero(d);
  for_each_vector(columns, [&](const auto& access, int64_t c) HWY_ATTR {
    const auto grad_output = row.grad_output(access, c), normal = row.normal(access, c);
    const auto grad = hn::Mul(grad_output, access.load(row.gamma + c));
    sum_grad = hn::Add(sum_grad, grad);
    sum_grad_normal = hn::MulAdd(grad, normal, sum_grad_normal);
    if (partial) {
      float* gamma = partial + c;
      float* beta = partial + columns + c;
      access.store(hn::MulAdd(grad_output, normal, access.load(gamma)), gamma);
      access.store(hn::Add(access.load(beta), grad_output), beta);
    }
  });
  const float divisor = static_cast<float>(columns);
  return {hn::Set(d, sum_of_lanes(sum_grad) / divisor), hn::Set(d, sum_of_lanes(sum_grad_normal) / divisor)};
}

void layer_norm_backward_rows(const LayerNormBackward& args, int64_t begin, int64_t end, int64_t columns,
                              float* partial) {
  for (int64_t r = begin; r < end; ++r) {
    const BackwardRow row(args, r);
    const BackwardMeans means = backward_means(row, columns, partial);
    const float* add = args.add ? args.add + r * columns : nullptr;
    float* out = args.grad_input + r * columns;
    SquareSum squares;
    for_each_vector(columns, [&](const auto& access, int64_t c) HWY_ATTR {
      const auto grad = hn::Mul(row.grad_output(access, c), access.load(row.gamma + c));
      const auto centred = hn::NegMulAdd(row.normal(access, c), means.grad_normal, hn::Sub(grad, means.grad));
      auto value = hn::Mul(centred, row.rstd);
      if (add) value = hn::Add(value, access.load(add + c));
      access.store(value, out + c);
      squares.add(access.inside(value));
    });
    if (args.row_norms) args.row_norms[r] = std::sqrt(squares.total());
  }
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vcas::ops::kernels {

HWY_EXPORT(layer_norm_forward_rows);
HWY_EXPORT(layer_norm_backward_rows);

void layer_norm_forward(const LayerNormForward& args, int64_t rows, int64_t columns, Workspace& workspace) {
  for_row_chunks(rows, /*scratch_floats=*/2 * columns, workspace,
                 [&](int64_t begin, int64_t end, float* scratch) {
                   HWY_DYNAMIC_DISPATCH(layer_norm_forward_rows)(args, begin, end, columns, scratch);
                 });
}

void layer_norm_backward(const LayerNormBackward& args, int64_t rows, int64_t columns, Workspace& workspace) {
  const bool wants_sums = args.grad_gamma || args.grad_beta;
  std::vector<float> sums(wants_sums ? static_cast<size_t>(2 * columns) : 0);
  sum_over_row_chunks(rows, /*scratch_floats=*/0, static_cast<int64_t>(sums.size()), sums.data(), workspace,
                      [&](int64_t begin, int64_t end, float*, float* partial) {
                        HWY_DYNAMIC_DISPATCH(layer_norm_backward_rows)(args, begin, end, columns, partial);
                      });
  if (args.grad_gamma) std::copy_n(sums.data(), columns, args.grad_gamma);
  if (args.grad_beta) std::copy_n(sums.data() + columns, columns, args.grad_beta);
}

}  // namespace vcas::ops::kernels
#endif
