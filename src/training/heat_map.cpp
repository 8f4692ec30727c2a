#include "training/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vcas::training {
namespace {

using Colour = std::array<uint8_t, 4>;

/// Viridis at the ninths, dark to bright at equal steps of perception: as the report's heat maps have it.
/// Source: Smith and van der Walt 2015, CC0.
constexpr std::array<std::array<double, 3>, 10> kViridis = {{{68, 1, 84},
                                                             {72, 40, 120},
                                                             {62, 73, 137},
                                                             {49, 104, 142},
                                                             {38, 130, 142},
                                                             {31, 158, 137},
                                                             {53, 183, 121},
                                                             {110, 206, 88},
                                                             {181, 222, 43},
                                                             {253, 231, 37}}};
constexpr auto kNoValue = static_cast<uint8_t>(kHeatMapLevels + 1);

Colour colour_of(double ratio) {
  const double position = ratio * static_cast<double>(kViridis.size() - 1);
  const size_t below = std::min(static_cast<size_t>(position), kViridis.size() - 2);
  Colour colour{0, 0, 0, 255};
  for (size_t channel = 0; channel < 3; ++channel) {
    colour[channel] = static_cast<uint8_t>(std::lround(std::lerp(
        kViridis[below][channel], kViridis[below + 1][channel], position - static_cast<double>(below))));
  }
  return colour;
}

std::vector<Colour> palette() {
  std::vector<Colour> colours;
  for (int64_t level = 0; level <= kHeatMapLevels; ++level)
    colours.push_back(colour_of(static_cast<double>(level) / static_cast<double>(kHeatMapLevels)));
  colours.push_back({0, 0, 0, 0});
  return colours;
}

uint8_t level_of(double ratio) {
  if (std::isnan(ratio)) return kNoValue;
  return static_cast<uint8_t>(std::lround(std::clamp(ratio, 0.0, 1.0) * kHeatMapLevels));
}

}  // namespace

formats::PaletteImage heat_map(const std::vector<std::vector<double>>& columns) {
  using Layout = HeatMapLayout;
  const auto rows = static_cast<int64_t>(columns.front().size());
  const auto column_count = static_cast<int64_t>(columns.size());
  const int64_t row_height = Layout::row_height(rows);
  formats::PaletteImage image{Layout::kWidth, rows * row_height, palette(), {}};
  image.pixels.reserve(static_cast<size_t>(image.width * image.height));
  for (int64_t y = 0; y < image.height; ++y) {
    const auto row = static_cast<size_t>(rows - 1 - y / row_height);
    for (int64_t x = 0; x < Layout::kGridWidth; ++x)
      image.pixels.push_back(
          level_of(columns[static_cast<size_t>(x * column_count / Layout::kGridWidth)][row]));
    image.pixels.insert(image.pixels.end(), Layout::kGap, kNoValue);
    const int64_t below = image.height - 1 - y;
    const double share = static_cast<double>(below) / static_cast<double>(image.height - 1);
    image.pixels.insert(image.pixels.end(), Layout::kScaleWidth, level_of(share));
  }
  return image;
}

}  // namespace vcas::training
