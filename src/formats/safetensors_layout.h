#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/safetensors.h"

namespace vcas::formats {

/// The file begins with the header's length, 8 bytes, little-endian.
inline constexpr std::size_t kLengthBytes = 8;
/// Hugging Face's bound on the header, in bytes.
inline constexpr uint64_t kLongestHeader = 100'000'000;
inline constexpr std::string_view kMetadataKey = "__metadata__";

/// Bytes of a tensor; nothing when a dimension is negative or the size does not fit int64. A zero among the
/// dimensions does not excuse the others.
std::optional<uint64_t> tensor_bytes(Dtype dtype, std::span<const int64_t> shape);

/// "F32 [2, 3]".
std::string described_tensor(Dtype dtype, std::span<const int64_t> shape);

}  // namespace vcas::formats
