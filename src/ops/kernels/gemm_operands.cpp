#include "ops/kernels/gemm_operands.h"

#include <algorithm>
#include <array>

#include "ops/kernels/bfloat16.h"
#include "ops/kernels/gemm_detail.h"
#include "ops/kernels/tiles.h"

namespace vcas::ops::kernels::detail {
namespace {

/// Columns of a weight that are transposed at a time, and rows.
constexpr int64_t kColumns = 64, kRows = 16;

using WeightRows = std::array<const float*, kRows>;

/// pack(rows, their count, column, columns, first row) for kRows x kColumns of a weight at a time, from left
/// to right. Weights come from memory, and rows are too short for hardware prefetchers to follow so many of
/// them: what is read kAhead columns later is called for.
template <class Pack>
void for_each_weight_block(const float* w, int64_t rows, int64_t k, const Pack& pack) {
  constexpr int64_t kAhead = 128;
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t count = std::min(kRows, rows - first);
    for (int64_t column = 0; column < k; column += kColumns) {
      WeightRows group{};
      const int64_t left = k - column - kAhead;
      for (int64_t r = 0; r < count; ++r) {
        const float* place = w + (first + r) * k + column;
        group[static_cast<size_t>(r)] = place;
        // Past the end of the group, the same columns of the next one.
        if (left > 0) {
          prefetch_row(place + kAhead, std::min(kColumns, left));
        } else if (first + r + kRows < rows) {
          prefetch_row(place + kAhead + (kRows - 1) * k, std::min(kColumns, k + left));
        }
      }
      pack(group, count, column, std::min(kColumns, k - column), first);
    }
  }
}

/// pack(row, the one after it or null) for every `step`-th row of a weight.
template <class Pack>
void for_each_weight_row(const float* w, int64_t k, int64_t rows, int64_t columns, int64_t step,
                         const Pack& pack) {
  constexpr int64_t kAhead = 16;
  for (int64_t r = 0; r < rows; r += step) {
    for (int64_t ahead = r + kAhead; ahead < std::min(rows, r + kAhead + step); ++ahead) {
      prefetch_row(w + ahead * k, columns);
    }
    pack(r, w + r * k, r + 1 < rows ? w + (r + 1) * k : nullptr);
  }
}

uint32_t* words(c10::BFloat16* elements) { return reinterpret_cast<uint32_t*>(elements); }

}  // namespace

void Float32Operands::pack_row(const float* row, float factor, int64_t depth, Element* out) {
  copy_row(row, factor, depth, out);
}

void Float32Operands::pack_transposed(const float* w, int64_t rows, int64_t k, Element* out) {
  for_each_weight_block(
      w, rows, k,
      [=](const WeightRows& group, int64_t count, int64_t column, int64_t columns, int64_t first) {
        transpose_rows(group.data(), /*factors=*/nullptr, count, columns, out + column * kTile + first,
                       kTile);
      });
}

void Float32Operands::pack_columns(const float* w, int64_t k, int64_t rows, int64_t columns, Element* out) {
  for_each_weight_row(w, k, rows, columns, 1, [=](int64_t r, const float* row, const float*) {
    std::copy_n(row, columns, out + r * kTile);
  });
}

void Float32Operands::pack_rows(const RowView& view, int64_t first, int64_t count, int64_t column,
                                int64_t columns, Element* out) {
  for (int64_t r = 0; r < count; ++r)
    copy_row(view.row(first + r) + column, view.factor(first + r), columns, out + r * kTile);
}

/// A group that is not full is filled up with what is never read, for the transposition is by whole vectors.
void Float32Operands::pack_rows_transposed(const RowView& view, int64_t first, int64_t count, int64_t column,
                                           int64_t columns, Element* out, int64_t ldo) {
  std::array<const float*, kGroup> source{};
  std::array<float, kGroup> factors{};
  for (int64_t r = 0; r < kGroup; ++r) {
    const int64_t row = first + std::min(r, count - 1);
    source[static_cast<size_t>(r)] = view.row(row) + column;
    factors[static_cast<size_t>(r)] = view.factor(row);
  }
  transpose_rows(source.data(), view.scale ? factors.data() : nullptr, kGroup, columns, out, ldo);
}

void BFloat16Operands::pack_row(const float* row, float factor, int64_t depth, Element* out) {
  round_row(row, factor, depth, words(out));
}

void BFloat16Operands::pack_transposed(const float* w, int64_t rows, int64_t k, Element* out) {
  for_each_weight_block(
      w, rows, k,
      [=](const WeightRows& group, int64_t count, int64_t column, int64_t columns, int64_t first) {
        std::array<std::array<uint32_t, kColumns / 2>, kRows> rounded;
        std::array<const uint32_t*, kRows> sources{};
        for (int64_t r = 0; r < count; ++r) {
          auto& row = rounded[static_cast<size_t>(r)];
          round_row(group[static_cast<size_t>(r)], 1, columns, row.data());
          sources[static_cast<size_t>(r)] = row.data();
        }
        transpose_words(sources.data(), count, (columns + 1) / 2, words(out) + column / 2 * kTile + first,
                        kTile);
      });
}

void BFloat16Operands::pack_columns(const float* w, int64_t k, int64_t rows, int64_t columns, Element* out) {
  for_each_weight_row(w, k, rows, columns, 2, [=](int64_t r, const float* row, const float* next) {
    pair_rows(row, 1, next, 1, columns, words(out) + r / 2 * kTile);
  });
}

namespace {

/// Rows r and r + 1 of a view in pairs; zero after the last row.
void pair_view_rows(const RowView& view, int64_t r, int64_t end, int64_t column, int64_t columns,
                    uint32_t* out) {
  const bool last = r + 1 == end;
  pair_rows(view.row(r) + column, view.factor(r), last ? nullptr : view.row(r + 1) + column,
            last ? 0 : view.factor(r + 1), columns, out);
}

}  // namespace

void BFloat16Operands::pack_rows(const RowView& view, int64_t first, int64_t count, int64_t column,
                                 int64_t columns, Element* out) {
  for (int64_t r = 0; r < count; r += 2)
    pair_view_rows(view, first + r, first + count, column, columns, words(out) + r / 2 * kTile);
}

void BFloat16Operands::pack_rows_transposed(const RowView& view, int64_t first, int64_t count, int64_t column,
                                            int64_t columns, Element* out, int64_t ldo) {
  constexpr int64_t kPairs = kGroup / 2;
  std::array<std::array<uint32_t, kTile>, kPairs> rounded;
  std::array<const uint32_t*, kPairs> sources{};
  const int64_t pairs = (count + 1) / 2;
  for (int64_t i = 0; i < kPairs; ++i) {
    auto& pair = rounded[static_cast<size_t>(std::min(i, pairs - 1))];
    sources[static_cast<size_t>(i)] = pair.data();
    if (i < pairs) {
      pair_view_rows(view, first + 2 * i, first + count, column, columns, pair.data());
    }
  }
  transpose_words(sources.data(), kPairs, columns, words(out), ldo / 2);
}

}  // namespace vcas::ops::kernels::detail
