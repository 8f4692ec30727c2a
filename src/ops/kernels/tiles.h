#pragma once

#include <cstdint>

namespace vcas::ops::kernels {

/// Single-threaded SIMD building blocks of the GEMMs.

/// out[c·ldo + r] = factor[r]·rows[r][c] for r < row_count, c < columns: a transposing copy of gathered rows.
/// @param factors [row_count] or null: bits are copied as they are, also those that are no number's.
void transpose_rows(const float* const* rows, const float* factors, int64_t row_count, int64_t columns,
                    float* out, int64_t ldo);

/// The same of words that are no floats.
void transpose_words(const uint32_t* const* rows, int64_t row_count, int64_t columns, uint32_t* out,
                     int64_t ldo);

/// out[c] = factor·row[c].
void copy_row(const float* row, float factor, int64_t columns, float* out);

/// tile[r·ld + c] += bias[c].
void add_bias(const float* bias, int64_t rows, int64_t columns, float* tile, int64_t ld);

/// out[r·ldo + c] = tile[r·ldt + c] (+ out[r·ldo + c] if accumulate) (+ bias[c] unless null).
void store_tile(const float* tile, int64_t ldt, const float* bias, bool accumulate, int64_t rows,
                int64_t columns, float* out, int64_t ldo);

}  // namespace vcas::ops::kernels
