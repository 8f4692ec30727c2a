#include "vcas/training/ratio_history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "training/heat_map.h"

namespace vcas::training {
namespace {

using nlohmann::json;

json line(int64_t step, double ratio, double v_sgd = 1) {
  return {{"step", step},   {"rho", {ratio, 1.0}}, {"nu", {{"layer.2", 0.2}, {"layer.10", ratio}}},
          {"v_sgd", v_sgd}, {"v_act", 0.01},       {"v_w", nullptr},
          {"s", 0.9}};
}

/// What a row's pixels say, column by column of the picture, in levels.
std::vector<int64_t> levels(const formats::PaletteImage& image, int64_t rows, int64_t row, int64_t columns) {
  const int64_t y = (rows - 1 - row) * HeatMapLayout::row_height(rows);
  std::vector<int64_t> result;
  for (int64_t c = 0; c < columns; ++c) {
    const int64_t x = (2 * c + 1) * HeatMapLayout::kGridWidth / (2 * columns);
    result.push_back(image.pixels[static_cast<size_t>(y * image.width + x)]);
  }
  return result;
}

TEST(RatioHistory, DrawsRatiosByBlockAndByWeight) {
  RatioHistory history;
  for (int64_t step = 1; step <= 4; ++step) history.add(line(step, 0.2 * static_cast<double>(step)));
  const auto pictures = history.pictures();
  ASSERT_EQ(pictures.size(), 2u);
  EXPECT_EQ(pictures[0].tag, "sampling/rho");
  EXPECT_EQ(levels(pictures[0].image, 2, 0, 4), (std::vector<int64_t>{50, 100, 150, 200}));
  EXPECT_EQ(levels(pictures[0].image, 2, 1, 4), (std::vector<int64_t>{250, 250, 250, 250}));
  EXPECT_EQ(pictures[1].tag, "sampling/nu");
  EXPECT_EQ(levels(pictures[1].image, 2, 0, 4), (std::vector<int64_t>{50, 50, 50, 50}));
  EXPECT_EQ(levels(pictures[1].image, 2, 1, 4), (std::vector<int64_t>{50, 100, 150, 200}));
  EXPECT_NE(pictures[1].description.find("1. `layer.10`\n1. `layer.2`\n"), std::string::npos);
  EXPECT_EQ(history.step(), 4);
}

TEST(RatioHistory, IsEmptyForARunThatDoesNotSample) {
  RatioHistory history;
  EXPECT_FALSE(history.add({{"step", 1}, {"rho", nullptr}, {"nu", nullptr}}));
  EXPECT_TRUE(history.pictures().empty());
  EXPECT_FALSE(history.is_behind());
}

TEST(RatioHistory, HasOnePictureWhereNoRowsAreLeftOut) {
  RatioHistory history;
  EXPECT_TRUE(history.add({{"step", 1}, {"rho", {0.3}}, {"nu", nullptr}, {"s", nullptr}}));
  ASSERT_EQ(history.pictures().size(), 1u);
}

TEST(RatioHistory, DrawsAtAdaptationsAndWhileNothingAdaptsLessAndLessOften) {
  RatioHistory history;
  std::vector<int64_t> drawn;
  for (int64_t step = 1; step <= 40; ++step)
    if (history.add(line(step, 0.5, step < 30 ? 1 : 2))) drawn.push_back(step);
  EXPECT_EQ(drawn, (std::vector<int64_t>{1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 30, 40}));
}

TEST(RatioHistory, MergesNeighboursSoThatColumnsAndPicturesStayFew) {
  RatioHistory history;
  constexpr int64_t kLines = 10'000;
  int64_t drawn = 0;
  for (int64_t step = 0; step < kLines; ++step)  // an adaptation at every line
    drawn += history.add(line(step, static_cast<double>(step) / kLines, static_cast<double>(step))) ? 1 : 0;
  EXPECT_LT(drawn, 240 + 6 * 120);
  // 10,000 lines in groups of 64: 157 columns, each with the ratio of its last line.
  const auto pictures = history.pictures();
  std::vector<int64_t> expected;
  for (int64_t c = 0; c < 157; ++c)
    expected.push_back(std::lround(250.0 * static_cast<double>(std::min(64 * c + 63, kLines - 1)) / kLines));
  EXPECT_EQ(levels(pictures[0].image, 2, 0, 157), expected);
}

TEST(RatioHistory, GoesOnFromTheSameLinesAsIfItHadNeverStopped) {
  RatioHistory whole;
  for (int64_t step = 0; step < 700; ++step) {
    const bool due =
        whole.add(line(step, 1.0 / static_cast<double>(step + 1), std::floor(static_cast<double>(step) / 9)));
    if (step % 50 != 0) continue;
    RatioHistory replayed;
    bool also_due = false;
    for (int64_t past = 0; past <= step; ++past)
      also_due = replayed.add(
          line(past, 1.0 / static_cast<double>(past + 1), std::floor(static_cast<double>(past) / 9)));
    EXPECT_EQ(due, also_due);
    EXPECT_EQ(whole.pictures()[0].image.pixels, replayed.pictures()[0].image.pixels);
  }
}

TEST(RatioHistory, TakesNoHarmFromALineOfAnotherShape) {
  RatioHistory history;
  history.add(line(1, 0.5));
  EXPECT_FALSE(history.add({{"step", 2}, {"rho", {0.1, 0.2, 0.3}}}));
  history.add({{"step", 3}, {"rho", {nullptr, "x"}}, {"nu", {{"layer.2", false}}}});
  const auto pictures = history.pictures();
  EXPECT_EQ(levels(pictures[0].image, 2, 0, 2), (std::vector<int64_t>{125, kHeatMapLevels + 1}));
}

}  // namespace
}  // namespace vcas::training
