#include "ops/kernels/tiles.h"

#include "sampling/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/tiles.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;

#if HWY_TARGET != HWY_SCALAR
constexpr int64_t kLanes = hn::MaxLanes(D());

/// 128-bit blocks of four columns: block b comes from rows[4b].
template <class DF>
HWY_INLINE hn::Vec<DF> load_blocks(DF d, const float* const* rows, int64_t column) {
  if constexpr (hn::MaxLanes(DF()) == 4) {
    return hn::LoadU(d, rows[0] + column);
  } else {
    constexpr int64_t kHalf = hn::MaxLanes(DF()) / 2;
    const hn::Half<DF> half;
    return hn::Combine(d, load_blocks(half, rows + kHalf, column), load_blocks(half, rows, column));
  }
}

/// kLanes rows x 4 columns, transposed and, but for an Unscaled copy, multiplied.
template <class Scale>
HWY_INLINE void transpose_block(const float* const* rows, int64_t column, const Scale& scale, float* out,
                                int64_t ldo) {
  const D d;
  const hn::Repartition<uint64_t, D> d64;
  const auto row0 = load_blocks(d, rows, column), row1 = load_blocks(d, rows + 1, column);
  const auto row2 = load_blocks(d, rows + 2, column), row3 = load_blocks(d, rows + 3, column);
  const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, row0, row1));
  const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, row2, row3));
  const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, row0, row1));
  const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, row2, row3));
  hn::StoreU(scale(hn::BitCast(d, hn::InterleaveLower(d64, low01, low23))), d, out);
  hn::StoreU(scale(hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23))), d, out + ldo);
  hn::StoreU(scale(hn::BitCast(d, hn::InterleaveLower(d64, high01, high23))), d, out + 2 * ldo);
  hn::StoreU(scale(hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23))), d, out + 3 * ldo);
}
#endif

/// Leaves bits as they are, whether or not they are those of a number.
struct Unscaled {
  explicit HWY_INLINE Unscaled(const float* /*factors*/) {}
  template <class Value>
  HWY_INLINE Value operator()(Value value) const {
    return value;
  }
};

#if HWY_TARGET != HWY_SCALAR
struct ScaledVector {
  hn::Vec<D> factors;
  explicit HWY_INLINE ScaledVector(const float* each) : factors(hn::LoadU(D(), each)) {}
  HWY_INLINE hn::Vec<D> operator()(hn::Vec<D> value) const { return hn::Mul(factors, value); }
};
#endif

struct ScaledNumber {
  float factor;
  explicit HWY_INLINE ScaledNumber(const float* each) : factor(*each) {}
  HWY_INLINE float operator()(float value) const { return factor * value; }
};

/// One row, or a few columns of it.
template <class Scale>
HWY_INLINE void transpose_row(const float* row, const float* factor, int64_t begin, int64_t end, float* out,
                              int64_t ldo) {
  const Scale scale(factor);
  for (int64_t column = begin; column < end; ++column) out[column * ldo] = scale(row[column]);
}

template <class VectorScale, class NumberScale>
HWY_INLINE void transpose_scaled(const float* const* rows, const float* factors, int64_t row_count,
                                 int64_t columns, float* out, int64_t ldo) {
  const auto factor_of = [factors](int64_t r) { return factors ? factors + r : nullptr; };
  int64_t row = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; row + kLanes <= row_count; row += kLanes) {
    const VectorScale scale(factor_of(row));
    int64_t column = 0;
    for (; column + 4 <= columns; column += 4)
      transpose_block(rows + row, column, scale, out + column * ldo + row, ldo);
    for (int64_t r = row; r < row + kLanes; ++r)
      transpose_row<NumberScale>(rows[r], factor_of(r), column, columns, out + r, ldo);
  }
#endif
  for (; row < row_count; ++row)
    transpose_row<NumberScale>(rows[row], factor_of(row), 0, columns, out + row, ldo);
}

void transpose_rows(const float* const* rows, const float* factors, int64_t row_count, int64_t columns,
                    float* out, int64_t ldo) {
#if HWY_TARGET == HWY_SCALAR
  using ScaledVector = ScaledNumber;
#endif
  factors ? transpose_scaled<ScaledVector, ScaledNumber>(rows, factors, row_count, columns, out, ldo)
          : transpose_scaled<Unscaled, Unscaled>(rows, factors, row_count, columns, out, ldo);
}

void copy_row(const float* row, float factor, int64_t columns, float* out) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto factors = hn::Set(d, factor);
  int64_t column = 0;
  for (; column + lanes <= columns; column += lanes) {
    hn::StoreU(hn::Mul(factors, hn::LoadU(d, row + column)), d, out + column);
  }
  for (; column < columns; ++column) out[column] = factor * row[column];
}

template <bool kBias, bool kAccumulate>
HWY_INLINE void store_tile_rows(const float* tile, int64_t ldt, const float* bias, int64_t rows,
                                int64_t columns, float* out, int64_t ldo) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t row = 0; row < rows; ++row, tile += ldt, out += ldo) {
    int64_t column = 0;
    for (; column + lanes <= columns; column += lanes) {
      auto value = hn::LoadU(d, tile + column);
      if constexpr (kBias) value = hn::Add(value, hn::LoadU(d, bias + column));
      if constexpr (kAccumulate) value = hn::Add(value, hn::LoadU(d, out + column));
      hn::StoreU(value, d, out + column);
    }
    for (; column < columns; ++column) {
      float value = tile[column];
      if constexpr (kBias) value += bias[column];
      if constexpr (kAccumulate) value += out[column];
      out[column] = value;
    }
  }
}

void store_tile(const float* tile, int64_t ldt, const float* bias, bool accumulate, int64_t rows,
                int64_t columns, float* out, int64_t ldo) {
  if (bias) {
    accumulate ? store_tile_rows<true, true>(tile, ldt, bias, rows, columns, out, ldo)
               : store_tile_rows<true, false>(tile, ldt, bias, rows, columns, out, ldo);
  } else {
    accumulate ? store_tile_rows<false, true>(tile, ldt, bias, rows, columns, out, ldo)
               : store_tile_rows<false, false>(tile, ldt, bias, rows, columns, out, ldo);
  }
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vcas::ops::kernels {

HWY_EXPORT(transpose_rows);
HWY_EXPORT(copy_row);
HWY_EXPORT(store_tile);

void transpose_rows(const float* const* rows, const float* factors, int64_t row_count, int64_t columns,
                    float* out, int64_t ldo) {
  HWY_DYNAMIC_DISPATCH(transpose_rows)(rows, factors, row_count, columns, out, ldo);
}

void transpose_words(const uint32_t* const* rows, int64_t row_count, int64_t columns, uint32_t* out,
                     int64_t ldo) {
  // Moved as floats are, bit by bit.
  transpose_rows(reinterpret_cast<const float* const*>(rows), /*factors=*/nullptr, row_count, columns,
                 reinterpret_cast<float*>(out), ldo);
}

void copy_row(const float* row, float factor, int64_t columns, float* out) {
  HWY_DYNAMIC_DISPATCH(copy_row)(row, factor, columns, out);
}

void add_bias(const float* bias, int64_t rows, int64_t columns, float* tile, int64_t ld) {
  HWY_DYNAMIC_DISPATCH(store_tile)(tile, ld, bias, false, rows, columns, tile, ld);
}

void store_tile(const float* tile, int64_t ldt, const float* bias, bool accumulate, int64_t rows,
                int64_t columns, float* out, int64_t ldo) {
  HWY_DYNAMIC_DISPATCH(store_tile)(tile, ldt, bias, accumulate, rows, columns, out, ldo);
}

}  // namespace vcas::ops::kernels
#endif
