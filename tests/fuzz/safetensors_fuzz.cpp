// Whatever the bytes: an InputError, or tensors that lie inside them and are written back as they were read.

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "formats/safetensors.h"
#include "vcas/formats/error.h"

using vcas::formats::InputError;
using vcas::formats::parse_safetensors;
using vcas::formats::SafetensorsContent;

// NOLINTNEXTLINE(readability-identifier-naming): the name that libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  SafetensorsContent content;
  try {
    content = parse_safetensors(bytes, "fuzz");
  } catch (const InputError&) {
    return 0;
  }
  std::size_t total = 0;
  for (const auto& [name, tensor] : content.tensors) {
    if (tensor.bytes.data() < bytes.data()) std::abort();
    if (tensor.bytes.data() + tensor.bytes.size() > bytes.data() + bytes.size()) std::abort();
    total += tensor.bytes.size();
  }
  const auto header = vcas::formats::safetensors_header(content.tensors, content.metadata);
  std::string copy = header + std::string(total, 'x');
  const auto again = parse_safetensors(std::as_bytes(std::span(copy)), "copy");
  if (again.metadata != content.metadata || again.tensors.size() != content.tensors.size()) std::abort();
  for (const auto& [name, tensor] : content.tensors) {
    const auto& copied = again.tensors.at(name);
    if (copied.dtype != tensor.dtype || copied.shape != tensor.shape) std::abort();
  }
  return 0;
}
