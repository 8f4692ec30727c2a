#pragma once

#include <cstdint>

namespace vcas::ops::kernels {

/// Rows of a float32 matrix, read in place: row r of the view is scale[r] · data[index[r]·stride ...].
struct RowView {
  const float* data = nullptr;
  /// Distance between neighbouring rows of the underlying matrix, in floats.
  int64_t stride = 0;
  /// Underlying row of each row of the view; null: row r is row r.
  const int64_t* index = nullptr;
  /// Factor of each row of the view; null: 1.
  const float* scale = nullptr;

  int64_t source_row(int64_t row) const { return index ? index[row] : row; }
  const float* row(int64_t row) const { return data + source_row(row) * stride; }
  float factor(int64_t row) const { return scale ? scale[row] : 1.0f; }
};

}  // namespace vcas::ops::kernels
