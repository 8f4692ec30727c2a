#pragma once

#include <array>
#include <cstdint>

#include "sampling/philox.h"
#include "vcas/sampling/stream.h"

namespace vcas::sampling {

/// Two 64-bit numbers a block: of entries 2·block and 2·block + 1 of a draw (stream.h).
inline std::array<uint64_t, 2> entry_bits(const StreamKey& stream, uint32_t block) {
  const auto high = stream.philox_counter_high();
  const auto words = philox4x32_10({block, 0, high[0], high[1]}, stream.philox_key());
  return {uint64_t{words[0]} << 32 | words[1], uint64_t{words[2]} << 32 | words[3]};
}

/// The middle of one of 2^52 equal cells of (0, 1).
inline double uniform_from_bits(uint64_t bits) { return (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52; }

}  // namespace vcas::sampling
