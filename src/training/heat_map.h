#pragma once

#include <cstdint>
#include <vector>

#include "vcas/formats/png.h"

namespace vcas::training {

/// Ratios over time as a picture: each value a rectangle in the colours of Viridis from 0 (dark violet) to 1
/// (yellow), and to the right of them the scale itself, 1 on top. One width for all, so that the pictures of
/// a run can be leafed through.
struct HeatMapLayout {
  static constexpr int64_t kGridWidth = 480;  ///< pixels; columns share it evenly
  static constexpr int64_t kGap = 8, kScaleWidth = 12;
  static constexpr int64_t kWidth = kGridWidth + kGap + kScaleWidth;
  /// Of a row, in pixels: as high as a legible picture allows.
  static constexpr int64_t row_height(int64_t rows) {
    const int64_t fitting = 384 / rows;
    return fitting < 2 ? 2 : fitting > 16 ? 16 : fitting;
  }
};

/// A colour is the index of a ratio's nearest 1/kHeatMapLevels; the one after them is no value, transparent.
inline constexpr int64_t kHeatMapLevels = 250;

/// @param columns from left to right, at least one and at most kGridWidth; the values of each from the bottom
/// up, equally many, at least one; those outside [0, 1] are taken for the nearer end, NaN is no value.
formats::PaletteImage heat_map(const std::vector<std::vector<double>>& columns);

}  // namespace vcas::training
