#include "ops/kernels/activation.h"

#include "ops/kernels/row_chunks.h"
#include "sampling/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/activation.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include "ops/kernels/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {

/// Φ(x) and exp(-x²/2). With u = |x|: 1 - Φ(u) = exp(-u²/2)·R(u), where R falls smoothly from 1/2; R(u) =
/// t·P(2t - 1), t = 3/(3 + u), P of degree 8 fitted to the smallest largest relative error on u ≤ 14
/// (4.7e-8, 2.8e-7 with rounding). Beyond u = 13.2 both are below 1e-38 and taken as zero.
HWY_INLINE VF normal_distribution(VF x, VF& bell) {
  const DF d;
  const auto one = hn::Set(d, 1.0f);
  const auto u = hn::Min(hn::Abs(x), hn::Set(d, 14.0f));
  const auto square = hn::Mul(u, u);
  // Without what rounding u² lost, the exponential's far tail would be off by 6e-6 of itself.
  const auto lost = hn::MulSub(u, u, square);
  bell = exponential(hn::Mul(square, hn::Set(d, -0.5f)));
  bell = hn::NegMulAdd(bell, hn::Mul(lost, hn::Set(d, 0.5f)), bell);

  const auto t = reciprocal(hn::MulAdd(u, hn::Set(d, 1.0f / 3.0f), one));
  const auto y = hn::Sub(hn::Add(t, t), one);
  auto p = hn::Set(d, -8.892198820831254e-05f);
  p = hn::MulAdd(p, y, hn::Set(d, 0.0003010840155184269f));
  p = hn::MulAdd(p, y, hn::Set(d, 0.00035867883707396686f));
  p = hn::MulAdd(p, y, hn::Set(d, -0.002307974034920335f));
  p = hn::MulAdd(p, y, hn::Set(d, -0.0034933118149638176f));
  p = hn::MulAdd(p, y, hn::Set(d, 0.0157520342618227f));
  p = hn::MulAdd(p, y, hn::Set(d, 0.07667311280965805f));
  p = hn::MulAdd(p, y, hn::Set(d, 0.16977742314338684f));
  p = hn::MulAdd(p, y, hn::Set(d, 0.24302789568901062f));
  const auto upper_tail = hn::Mul(bell, hn::Mul(t, p));
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), upper_tail, hn::Sub(one, upper_tail));
}

struct ErfGelu {
  static HWY_INLINE VF value(VF x) {
    VF bell;
    return hn::Mul(x, normal_distribution(x, bell));
  }
  /// Φ(x) + x·φ(x)
  static HWY_INLINE VF derivative(VF x) {
    VF bell;
    const auto distribution = normal_distribution(x, bell);
    return hn::MulAdd(x, hn::Mul(bell, hn::Set(DF(), 0.3989422804014327f)), distribution);
  }
};

/// x/2·(1 + tanh(z)) = x·σ(2z), 2z = 2√(2/π)(x + 0.044715x³).
struct TanhGelu {
  static constexpr float kLinear = 1.5957691216057308f;
  static constexpr float kCubic = kLinear * 0.044715f;

  /// exp(-2z), from which σ(2z) = 1/(1 + e) and 1 - σ(2z) = e·σ(2z), without cancellation.
  static HWY_INLINE VF gate(VF x, VF square) {
    const DF d;
    const auto z2 = hn::Mul(x, hn::MulAdd(square, hn::Set(d, kCubic), hn::Set(d, kLinear)));
    return exponential(hn::Neg(hn::Max(hn::Min(z2, hn::Set(d, 87.0f)), hn::Set(d, -87.0f))));
  }
  static HWY_INLINE VF sigmoid(VF e) { return reciprocal(hn::Add(hn::Set(DF(), 1.0f), e)); }
  static HWY_INLINE VF value(VF x) { return hn::Mul(x, sigmoid(gate(x, hn::Mul(x, x)))); }
  /// σ + x·σ(1-σ)·(2z)'
  static HWY_INLINE VF derivative(VF x) {
    const DF d;
    const auto square = hn::Mul(x, x), e = gate(x, square), sigma = sigmoid(e);
    const auto slope = hn::MulAdd(square, hn::Set(d, 3.0f * kCubic), hn::Set(d, kLinear));
    const auto bump = hn::Mul(sigma, hn::Mul(sigma, e));
    return hn::MulAdd(hn::Mul(x, slope), bump, sigma);
  }
};

struct Relu {
  static HWY_INLINE VF value(VF x) {
    const auto zero = hn::Zero(DF());
    return hn::IfThenElse(hn::Lt(x, zero), zero, x);  // NaN stays
  }
  static HWY_INLINE VF derivative(VF x) {
    const auto zero = hn::Zero(DF());
    return hn::IfThenElse(hn::Le(x, zero), zero, hn::Set(DF(), 1.0f));
  }
};

struct Silu {
  /// e⁻ˣ, from which σ = 1/(1 + e) and 1 - σ = e·σ, without cancellation.
  static HWY_INLINE VF gate(VF x) {
    const DF d;
    return exponential(hn::Neg(hn::Max(hn::Min(x, hn::Set(d, 87.0f)), hn::Set(d, -87.0f))));
  }
  static HWY_INLINE VF sigmoid(VF e) { return reciprocal(hn::Add(hn::Set(DF(), 1.0f), e)); }
  static HWY_INLINE VF value(VF x) { return hn::Mul(x, sigmoid(gate(x))); }
  /// σ + x·σ(1-σ)
  static HWY_INLINE VF derivative(VF x) {
    const auto e = gate(x), sigma = sigmoid(e);
    return hn::MulAdd(x, hn::Mul(sigma, hn::Mul(sigma, e)), sigma);
  }
};

/// visit(an object of the struct above that computes `kind`).
template <class Visit>
HWY_INLINE void with_activation(Activation kind, const Visit& visit) {
  switch (kind) {
    case Activation::gelu:
      return visit(ErfGelu());
    case Activation::tanh_gelu:
      return visit(TanhGelu());
    case Activation::relu:
      return visit(Relu());
    case Activation::silu:
      return visit(Silu());
  }
}

template <class Function>
HWY_INLINE void forward_rows(const RowView& input, float* output, double* norms, int64_t begin, int64_t end,
                             int64_t columns) {
  for (int64_t r = begin; r < end; ++r) {
    const float* in = input.row(r);
    float* out = output + r * columns;
    const auto factor = hn::Set(DF(), input.factor(r));
    SquareSum squares;
    for_each_vector(columns, [&](const auto& access, int64_t c) HWY_ATTR {
      const auto value = Function::value(hn::Mul(factor, access.load(in + c)));
      access.store(value, out + c);
      squares.add(value);
    });
    if (norms) norms[r] = std::sqrt(squares.total());
  }
}

template <class Function>
HWY_INLINE void backward_rows(const ActivationBackward& args, int64_t begin, int64_t end, int64_t columns,
                              float* partial) {
  for (int64_t r = begin; r < end; ++r) {
    const float* in = args.input.row(r);
    float* grad = args.grad + r * columns;
    const auto factor = hn::Set(DF(), args.input.factor(r));
    SquareSum squares;
    for_each_vector(columns, [&](const auto& access, int64_t c) HWY_ATTR {
      const auto slope = Function::derivative(hn::Mul(factor, access.load(in + c)));
      const auto value = hn::Mul(access.load(grad + c), slope);
      access.store(value, grad + c);
      if (partial) access.store(hn::Add(access.load(partial + c), value), partial + c);
      squares.add(value);
    });
    if (args.row_norms) args.row_norms[r] = std::sqrt(squares.total());
  }
}

void activation_forward_rows(Activation kind, const RowView& input, float* output, double* norms,
                             int64_t begin, int64_t end, int64_t columns) {
  with_activation(kind, [&](auto function) HWY_ATTR {
    forward_rows<decltype(function)>(input, output, norms, begin, end, columns);
  });
}

void activation_backward_rows(const ActivationBackward& args, int64_t begin, int64_t end, int64_t columns,
                              float* partial) {
  with_activation(args.kind, [&](auto function) HWY_ATTR {
    backward_rows<decltype(function)>(args, begin, end, columns, partial);
  });
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vcas::ops::kernels {

HWY_EXPORT(activation_forward_rows);
HWY_EXPORT(activation_backward_rows);

void activation_forward(Activation kind, const RowView& input, float* output, double* output_norms,
                        int64_t rows, int64_t columns, Workspace& workspace) {
  for_row_chunks(rows, /*scratch_floats=*/0, workspace, [&](int64_t begin, int64_t end, float*) {
    HWY_DYNAMIC_DISPATCH(activation_forward_rows)(kind, input, output, output_norms, begin, end, columns);
  });
}

void activation_backward(const ActivationBackward& args, int64_t rows, int64_t columns,
                         Workspace& workspace) {
  const int64_t width = args.column_sums ? columns : 0;
  sum_over_row_chunks(rows, /*scratch_floats=*/0, width, args.column_sums, workspace,
                      [&](int64_t begin, int64_t end, float*, float* partial) {
                        HWY_DYNAMIC_DISPATCH(activation_backward_rows)(args, begin, end, columns, partial);
                      });
}

}  // namespace vcas::ops::kernels
#endif
