#include "vcas/formats/png.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <stdexcept>

namespace vcas::formats {
namespace {

constexpr int64_t kLargestSide = 16384;
constexpr size_t kLargestPalette = 256;

void require(bool holds, const std::string& what) {
  if (!holds) throw std::invalid_argument("encode_png: expected " + what);
}

void check(const PaletteImage& image) {
  const auto is_side = [](int64_t side) { return side >= 1 && side <= kLargestSide; };
  require(is_side(image.width) && is_side(image.height),
          fmt::format("sides of 1 to {} pixels, got {} x {}", kLargestSide, image.width, image.height));
  const auto area = static_cast<size_t>(image.width * image.height);
  require(image.pixels.size() == area,
          fmt::format("{} pixels for {} x {}, got {}", area, image.width, image.height, image.pixels.size()));
  const size_t colours = image.palette.size();
  require(colours >= 1 && colours <= kLargestPalette,
          fmt::format("1 to {} colours, got {}", kLargestPalette, colours));
  const size_t largest = *std::max_element(image.pixels.begin(), image.pixels.end());
  require(largest < colours, fmt::format("indices below {}, got {}", colours, largest));
}

}  // namespace

std::string encode_png(const PaletteImage& image) {
  check(image);
  // libpng's simplified API: it reports errors by a status, not by longjmp.
  png_image description{};
  description.version = PNG_IMAGE_VERSION;
  description.width = static_cast<png_uint_32>(image.width);
  description.height = static_cast<png_uint_32>(image.height);
  description.format = PNG_FORMAT_RGBA_COLORMAP;
  description.colormap_entries = static_cast<png_uint_32>(image.palette.size());
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(description);
  std::string bytes(size, '\0');
  if (png_image_write_to_memory(&description, bytes.data(), &size, /*convert_to_8_bit=*/0,
                                image.pixels.data(), /*row_stride=*/0, image.palette.data()) == 0) {
    throw std::runtime_error(fmt::format("encode_png: libpng: {}", description.message));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace vcas::formats
