#include "vcas/formats/png.h"

#include <gtest/gtest.h>
#include <png.h>

#include <stdexcept>

namespace vcas::formats {
namespace {

PaletteImage random_image(int64_t width, int64_t height, size_t colours) {
  PaletteImage image{width, height, {}, {}};
  uint32_t state = 5;
  const auto next = [&state] { return static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24); };
  for (size_t i = 0; i < colours; ++i) image.palette.push_back({next(), next(), next(), 255});
  image.palette.front() = {0, 0, 0, 0};
  for (int64_t i = 0; i < width * height; ++i) image.pixels.push_back(static_cast<uint8_t>(next() % colours));
  return image;
}

/// Red, green, blue and opacity of each pixel, as libpng reads them.
std::vector<uint8_t> decoded(const std::string& bytes, int64_t width, int64_t height) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) return {};
  EXPECT_EQ(image.width, width);
  EXPECT_EQ(image.height, height);
  image.format = PNG_FORMAT_RGBA;
  std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image));
  EXPECT_NE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr), 0) << image.message;
  return pixels;
}

class EncodePng : public ::testing::TestWithParam<size_t> {};
// Palettes of 2, 4 and 16 colours have fewer bits a pixel.
INSTANTIATE_TEST_SUITE_P(Colours, EncodePng, ::testing::Values(1, 2, 3, 16, 17, 252, 256));

TEST_P(EncodePng, IsReadBackPixelByPixel) {
  const auto image = random_image(37, 11, GetParam());
  const auto bytes = encode_png(image);
  EXPECT_EQ(bytes.substr(0, 8), "\x89PNG\r\n\x1a\n");
  const auto pixels = decoded(bytes, 37, 11);
  ASSERT_EQ(pixels.size(), 4 * image.pixels.size());
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    const auto& colour = image.palette[image.pixels[i]];
    EXPECT_TRUE(std::equal(colour.begin(), colour.end(), pixels.begin() + static_cast<int64_t>(4 * i))) << i;
  }
}

TEST_P(EncodePng, TheSamePictureHasTheSameBytes) {
  EXPECT_EQ(encode_png(random_image(9, 4, GetParam())), encode_png(random_image(9, 4, GetParam())));
}

TEST(EncodePngChecks, SizesAndIndices) {
  const auto message = [](const PaletteImage& image) {
    try {
      encode_png(image);
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  PaletteImage image{4, 3, {{1, 2, 3, 255}}, std::vector<uint8_t>(11, 0)};
  EXPECT_EQ(message(image), "encode_png: expected 12 pixels for 4 x 3, got 11");
  image.pixels.assign(12, 1);
  EXPECT_EQ(message(image), "encode_png: expected indices below 1, got 1");
  image.palette.clear();
  EXPECT_EQ(message(image), "encode_png: expected 1 to 256 colours, got 0");
  image.width = 0;
  EXPECT_EQ(message(image), "encode_png: expected sides of 1 to 16384 pixels, got 0 x 3");
  image.width = int64_t{1} << 62;
  EXPECT_NE(message(image).find("expected sides"), std::string::npos);
}

}  // namespace
}  // namespace vcas::formats
