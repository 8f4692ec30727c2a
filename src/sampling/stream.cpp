#include "vcas/sampling/stream.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace vcas::sampling {
namespace {

uint32_t checked(uint32_t value, int bits, const char* field) {
  if (value >= (1u << bits)) {
    throw std::out_of_range("stream: expected " + std::string(field) + " below " +
                            std::to_string(1u << bits) + ", got " + std::to_string(value));
  }
  return value;
}

}  // namespace

StreamKey StreamKey::weight(int64_t i) const {
  constexpr int64_t kOwnSites = 14, kIndices = 1 << 10;  // weights 0..13 have a site each, with index 0
  if (i < 0 || i >= kOwnSites + kIndices) {
    throw std::out_of_range("stream: expected a weight below " + std::to_string(kOwnSites + kIndices) +
                            ", got " + std::to_string(i));
  }
  const int64_t own = std::min(i, kOwnSites);
  StreamKey stream =
      at(static_cast<Site>(static_cast<uint32_t>(Site::sample_weight) + static_cast<uint32_t>(own)));
  stream.index = static_cast<uint32_t>(i - own);
  return stream;
}

std::array<uint32_t, 2> StreamKey::philox_key() const {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

std::array<uint32_t, 2> StreamKey::philox_counter_high() const {
  const uint32_t packed = checked(layer, 9, "layer") << 23 |
                          checked(static_cast<uint32_t>(site), 5, "site") << 18 |
                          checked(index, 10, "index") << 8 | checked(draw, 8, "draw");
  return {micro_batch, packed};
}

}  // namespace vcas::sampling
