#pragma once

#include <cstdint>

namespace vcas::ops::kernels {

/// Single-threaded conversion of float32 to pairs of bfloat16, as brgemm reads them: a word holds two
/// numbers, the first in its lower half. Rounding is to nearest, ties to even; NaN stays NaN.

/// out[i] = (factor·row[2i], factor·row[2i+1]): a row as it is, but for a zero after an odd last column.
/// @param out [(columns + 1)/2].
void round_row(const float* row, float factor, int64_t columns, uint32_t* out);

/// out[c] = (even_factor·even[c], odd_factor·odd[c]). @param odd null: zeros. @param out [columns].
void pair_rows(const float* even, float even_factor, const float* odd, float odd_factor, int64_t columns,
               uint32_t* out);

}  // namespace vcas::ops::kernels
