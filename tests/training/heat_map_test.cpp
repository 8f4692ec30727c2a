#include "training/heat_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace vcas::training {
namespace {

using Layout = HeatMapLayout;

uint8_t pixel(const formats::PaletteImage& image, int64_t x, int64_t y) {
  return image.pixels.at(static_cast<size_t>(y * image.width + x));
}

/// Relative luminance of sRGB (IEC 61966-2-1).
double luminance(const std::array<uint8_t, 4>& colour) {
  const auto linear = [](uint8_t value) {
    const double share = value / 255.0;
    return share <= 0.04045 ? share / 12.92 : std::pow((share + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}

TEST(HeatMap, ShowsEachValueInItsRectangleTheFirstOfAColumnAtTheBottom) {
  const auto image = heat_map({{0.0, 0.5}, {0.25, 1.0}, {1.0, 0.1}});
  EXPECT_EQ(image.width, Layout::kWidth);
  EXPECT_EQ(image.height, 2 * Layout::row_height(2));
  const std::vector<std::vector<int64_t>> expected = {{0, 125}, {63, 250}, {250, 25}};  // 62.5 goes up
  const int64_t column_width = Layout::kGridWidth / 3;
  for (int64_t x = 0; x < Layout::kGridWidth; ++x)
    for (int64_t y = 0; y < image.height; ++y)
      ASSERT_EQ(pixel(image, x, y), expected[static_cast<size_t>(x / column_width)][y < image.height / 2])
          << x << " " << y;
}

TEST(HeatMap, HasItsScaleAtTheRight) {
  const auto image = heat_map({{0.5, 0.5, 0.5}});
  for (int64_t y = 0; y < image.height; ++y)
    EXPECT_EQ(pixel(image, Layout::kGridWidth + Layout::kGap / 2, y), kHeatMapLevels + 1);
  EXPECT_EQ(pixel(image, image.width - 1, 0), kHeatMapLevels);
  EXPECT_EQ(pixel(image, image.width - 1, image.height - 1), 0);
}

TEST(HeatMap, ColoursGrowBrighterWithTheRatio) {
  const auto palette = heat_map({{1.0}}).palette;
  ASSERT_EQ(palette.size(), static_cast<size_t>(kHeatMapLevels + 2));
  constexpr size_t kSteps = 4;  // neighbours may differ by the rounding of their channels only
  for (size_t level = kSteps; level <= static_cast<size_t>(kHeatMapLevels); ++level)
    EXPECT_GT(luminance(palette[level]), luminance(palette[level - kSteps])) << level;
  EXPECT_EQ(palette.back()[3], 0);  // no value: transparent
}

TEST(HeatMap, MarksWhatHasNoValueAndStaysInTheScale) {
  const auto image = heat_map({{NAN, -1.0, 2.0, INFINITY}});
  const int64_t height = Layout::row_height(4);
  EXPECT_EQ(pixel(image, 0, 3 * height), kHeatMapLevels + 1);
  EXPECT_EQ(pixel(image, 0, 2 * height), 0);
  EXPECT_EQ(pixel(image, 0, height), kHeatMapLevels);
  EXPECT_EQ(pixel(image, 0, 0), kHeatMapLevels);
}

TEST(HeatMap, KeepsItsWidthAndStaysLowOverManyRows) {
  const std::vector<std::vector<double>> columns(240, std::vector<double>(144, 0.3));
  const auto image = heat_map(columns);
  EXPECT_EQ(image.width, Layout::kWidth);
  EXPECT_EQ(image.height, 288);
}

}  // namespace
}  // namespace vcas::training
