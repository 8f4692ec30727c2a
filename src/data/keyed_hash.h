#pragma once

#include <cstdint>

namespace vcas::data {

/// A bijection of 64 bits in which every input bit moves every output bit: SplitMix64's finaliser.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
constexpr uint64_t mix64(uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

/// What a keyed order is for: equal keys of two purposes are unrelated.
enum class OrderPurpose : uint64_t { examples = 1, batches = 2 };

constexpr uint64_t keyed_hash(uint64_t seed, OrderPurpose purpose, uint64_t epoch, uint64_t index) {
  return mix64(mix64(mix64(mix64(seed) + static_cast<uint64_t>(purpose)) + epoch) + index);
}

}  // namespace vcas::data
