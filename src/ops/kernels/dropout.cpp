#include "ops/kernels/dropout.h"

#include <c10/util/Exception.h>

#include <cmath>

#include "ops/kernels/row_chunks.h"
#include "sampling/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/dropout.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include "ops/kernels/philox-inl.h"
#include "ops/kernels/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {

void dropout_factors(const DropoutMask& mask, uint32_t row, uint32_t first_column, int64_t count,
                     float* factors) {
  fill_dropout_factors(mask, row, 1, first_column, count, factors);
}

/// Rows [begin, end) of either direction: grad_input = mask ∘ grad_output with its sums. @param factors
/// [columns].
void dropout_rows(const DropoutBackward& args, int64_t begin, int64_t end, int64_t columns, float* factors,
                  float* partial) {
  const DF d;
  for (int64_t r = begin; r < end; ++r) {
    const float* in = args.grad_output.row(r);
    float* out = args.grad_input + r * columns;
    const auto row_factor = hn::Set(d, args.grad_output.factor(r));
    const bool masked = args.mask.active();
    const int64_t mask_row = args.mask_rows ? args.mask_rows[r] : r;
    if (masked) fill_dropout_factors(args.mask, static_cast<uint32_t>(mask_row), 1, 0, columns, factors);
    SquareSum squares;
    for_each_vector(columns, [&](const auto& access, int64_t c) HWY_ATTR {
      auto value = hn::Mul(row_factor, access.load(in + c));
      if (masked) value = hn::Mul(value, access.load(factors + c));
      access.store(value, out + c);
      if (partial) access.store(hn::Add(access.load(partial + c), value), partial + c);
      squares.add(value);
    });
    if (args.row_norms) args.row_norms[r] = std::sqrt(squares.total());
  }
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vcas::ops::kernels {

HWY_EXPORT(dropout_factors);
HWY_EXPORT(dropout_rows);

DropoutMask::DropoutMask(const sampling::StreamKey& stream, double probability)
    : key(stream.philox_key()), counter_high(stream.philox_counter_high()) {
  TORCH_CHECK(probability >= 0.0 && probability < 1.0, "dropout: expected a probability in [0, 1), got ",
              probability);
  threshold = static_cast<uint32_t>(std::min(std::round(std::ldexp(probability, 32)), 4294967295.0));
  scale = static_cast<float>(1.0 / (1.0 - probability));
}

void dropout_factors(const DropoutMask& mask, uint32_t row, uint32_t first_column, int64_t count,
                     float* factors) {
  if (!mask.active()) {
    std::fill_n(factors, count, 1.0f);
    return;
  }
  HWY_DYNAMIC_DISPATCH(dropout_factors)(mask, row, first_column, count, factors);
}

void dropout_forward(const DropoutForward& args, int64_t rows, int64_t columns, Workspace& workspace) {
  dropout_backward({args.input, args.mask, args.mask_rows, args.output}, rows, columns, workspace);
}

void dropout_backward(const DropoutBackward& args, int64_t rows, int64_t columns, Workspace& workspace) {
  const int64_t width = args.column_sums ? columns : 0;
  sum_over_row_chunks(rows, /*scratch_floats=*/columns, width, args.column_sums, workspace,
                      [&](int64_t begin, int64_t end, float* factors, float* partial) {
                        HWY_DYNAMIC_DISPATCH(dropout_rows)(args, begin, end, columns, factors, partial);
                      });
}

}  // namespace vcas::ops::kernels
#endif
