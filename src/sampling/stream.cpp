#include "vcas/sampling/stream.h"

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

std::array<uint32_t, 2> StreamKey::philox_key() const {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

std::array<uint32_t, 2> StreamKey::philox_counter_high() const {
  const uint32_t packed = checked(layer, 9, "layer") << 23 |
                          checked(static_cast<uint32_t>(site), 5, "site") << 18 |
                          checked(rank, 10, "rank") << 8 | checked(draw, 8, "draw");
  return {micro_batch, packed};
}

}  // namespace vcas::sampling
