// A matrix product of one thread on small operands that lie in the cache. Included once for each instruction
// set.
#if defined(VCAS_OPS_KERNELS_MICRO_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VCAS_OPS_KERNELS_MICRO_GEMM_INL_H_
#undef VCAS_OPS_KERNELS_MICRO_GEMM_INL_H_
#else
#define VCAS_OPS_KERNELS_MICRO_GEMM_INL_H_
#endif

#include "ops/kernels/row_ops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {

/// A left operand element (i, k) is data[i·row_stride + k·depth_stride], so that a transposed one needs no
/// copy.
struct LeftOperand {
  const float* data;
  int64_t row_stride;
  int64_t depth_stride;

  HWY_INLINE LeftOperand from_row(int64_t row) const {
    return {data + row * row_stride, row_stride, depth_stride};
  }
};

/// Rows with a given distance between neighbours.
template <class T>
struct Rows {
  T* data;
  int64_t stride;
};

/// Rows of a register tile: with kTileVectors vectors each, its sums and one row of B fill the registers.
constexpr int kTileRows = HWY_TARGET == HWY_AVX3 ? 8 : 4;
constexpr int kTileVectors = 2;

/// One tile of C, kRows x kVectors vectors, the last of which Last accesses.
template <int kRows, int kVectors, class Last>
HWY_INLINE void multiply_micro_tile(int64_t depth, LeftOperand a, Rows<const float> b, Rows<float> c,
                                    bool accumulate, const Last& last) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  VF sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const float* place = c.data + i * c.stride + v * lanes;
      sums[i][v] = !accumulate ? hn::Zero(d) : v + 1 < kVectors ? hn::LoadU(d, place) : last.load(place);
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    const float* b_row = b.data + k * b.stride;
    VF right[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      right[v] = v + 1 < kVectors ? hn::LoadU(d, b_row + v * lanes) : last.load(b_row + v * lanes);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const auto left = hn::Set(d, a.data[i * a.row_stride + k * a.depth_stride]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(left, right[v], sums[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      float* place = c.data + i * c.stride + v * lanes;
      v + 1 < kVectors ? hn::StoreU(sums[i][v], d, place) : last.store(sums[i][v], place);
    }
  }
}

/// A strip of C, kVectors vectors wide, in tiles of nearly equal height.
template <int kVectors, class Last>
HWY_INLINE void multiply_strip(int64_t rows, int64_t depth, LeftOperand a, Rows<const float> b, Rows<float> c,
                               bool accumulate, const Last& last) {
  const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t first = rows * tile / tiles, height = rows * (tile + 1) / tiles - first;
    const LeftOperand left = a.from_row(first);
    const Rows<float> place{c.data + first * c.stride, c.stride};
    const auto run = [&]<int kRows>() HWY_ATTR {
      if constexpr (kRows <= kTileRows) {
        multiply_micro_tile<kRows, kVectors>(depth, left, b, place, accumulate, last);
      }
    };
    switch (height) {
      case 1:
        run.template operator()<1>();
        break;
      case 2:
        run.template operator()<2>();
        break;
      case 3:
        run.template operator()<3>();
        break;
      case 4:
        run.template operator()<4>();
        break;
      case 5:
        run.template operator()<5>();
        break;
      case 6:
        run.template operator()<6>();
        break;
      case 7:
        run.template operator()<7>();
        break;
      default:
        run.template operator()<8>();
        break;
    }
  }
}

/// C = A·B, or C += A·B. @param a [rows x depth] @param b [depth x columns] @param c [rows x columns].
HWY_INLINE void micro_gemm(int64_t rows, int64_t columns, int64_t depth, LeftOperand a, Rows<const float> b,
                           Rows<float> c, bool accumulate) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  constexpr int kPair = kTileVectors;
  for (int64_t j = 0; j < columns;) {
    const int64_t left = columns - j;
    const Rows<const float> b_strip{b.data + j, b.stride};
    const Rows<float> c_strip{c.data + j, c.stride};
    const bool pair = left > lanes;
    const int64_t width = HWY_MIN(left, (pair ? kPair : 1) * lanes);
    const LastVector last{hn::FirstN(d, static_cast<size_t>(width - (pair ? lanes : 0)))};
    const bool whole = width % lanes == 0;
    if (pair && whole) {
      multiply_strip<kPair>(rows, depth, a, b_strip, c_strip, accumulate, WholeVector{});
    } else if (pair) {
      multiply_strip<kPair>(rows, depth, a, b_strip, c_strip, accumulate, last);
    } else if (whole) {
      multiply_strip<1>(rows, depth, a, b_strip, c_strip, accumulate, WholeVector{});
    } else {
      multiply_strip<1>(rows, depth, a, b_strip, c_strip, accumulate, last);
    }
    j += width;
  }
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
