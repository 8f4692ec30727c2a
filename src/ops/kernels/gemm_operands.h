#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

#include "ops/kernels/row_view.h"
#include "ops/kernels/workspace.h"

namespace vcas::ops::kernels::detail {

/// How the operands of a product lie in memory when brgemm reads them: what differs between precisions.
/// "Depth" is the dimension that a product sums over; a panel of B is [depth x kTile].

struct Float32Operands {
  using Element = float;
  /// Multiples in which brgemm takes the depth.
  static constexpr int64_t kDepthStep = 1;
  /// Rows that are transposed at a time: a vector of the widest instruction set.
  static constexpr int64_t kGroup = 16;
  /// Whether rows that lie together can be read in place.
  static constexpr bool kInPlace = true;

  static Element* memory(GrowingBuffer& buffer, int64_t count) { return buffer.floats(count); }
  static int64_t padded(int64_t depth) { return depth; }

  /// out[c] = factor·row[c].
  static void pack_row(const float* row, float factor, int64_t depth, Element* out);
  /// B[c][r] = w[r][c]. @param w `rows` <= kTile rows of k.
  static void pack_transposed(const float* w, int64_t rows, int64_t k, Element* out);
  /// B[r][c] = w[r][c] for `columns` <= kTile columns. @param w rows of k floats.
  static void pack_columns(const float* w, int64_t k, int64_t rows, int64_t columns, Element* out);
  /// B[r][c] = rows `first`... of the view, `columns` <= kTile of them from `column` on. @param count <=
  /// kGroup.
  static void pack_rows(const RowView& view, int64_t first, int64_t count, int64_t column, int64_t columns,
                        Element* out);
  /// A[c][r] of the same. @param ldo row stride of A.
  static void pack_rows_transposed(const RowView& view, int64_t first, int64_t count, int64_t column,
                                   int64_t columns, Element* out, int64_t ldo);
};

/// Numbers are rounded to bfloat16; rows of B lie in pairs ([depth/2][kTile][2]), so that the depth is even,
/// the last row zero where need be.
struct BFloat16Operands {
  using Element = c10::BFloat16;
  static constexpr int64_t kDepthStep = 2;
  static constexpr int64_t kGroup = 32;
  static constexpr bool kInPlace = false;

  static Element* memory(GrowingBuffer& buffer, int64_t count) {
    return reinterpret_cast<Element*>(buffer.floats((count + 1) / 2));
  }
  static int64_t padded(int64_t depth) { return (depth + 1) / 2 * 2; }

  static void pack_row(const float* row, float factor, int64_t depth, Element* out);
  static void pack_transposed(const float* w, int64_t rows, int64_t k, Element* out);
  static void pack_columns(const float* w, int64_t k, int64_t rows, int64_t columns, Element* out);
  static void pack_rows(const RowView& view, int64_t first, int64_t count, int64_t column, int64_t columns,
                        Element* out);
  static void pack_rows_transposed(const RowView& view, int64_t first, int64_t count, int64_t column,
                                   int64_t columns, Element* out, int64_t ldo);
};

}  // namespace vcas::ops::kernels::detail
