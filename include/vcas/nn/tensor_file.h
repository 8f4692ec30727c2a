#pragma once

#include <filesystem>

#include "vcas/nn/model.h"

namespace vcas::nn {

/// Every tensor of a safetensors file, copied, of any dtype that safetensors has.
/// @throws formats::InputError as SafetensorsFile.
NamedTensors read_tensors(const std::filesystem::path& path);

/// Writes tensors of any device and layout as safetensors, whole or not at all.
/// @throws std::system_error when the disk refuses.
void write_tensors(const std::filesystem::path& path, const NamedTensors& tensors);

}  // namespace vcas::nn
