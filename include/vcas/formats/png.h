#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace vcas::formats {

/// A picture of at most 256 colours.
struct PaletteImage {
  int64_t width = 0, height = 0;                ///< pixels, 1..16384 each
  std::vector<std::array<uint8_t, 4>> palette;  ///< red, green, blue (sRGB), opacity
  std::vector<uint8_t> pixels;                  ///< indices into the palette, row by row from the top
};

/// The bytes of a PNG file. The same picture gives the same bytes.
/// @throws std::invalid_argument "encode_png: expected 12 pixels for 4 x 3, got 11".
/// Source: PNG (ISO/IEC 15948), by libpng.
std::string encode_png(const PaletteImage& image);

}  // namespace vcas::formats
