#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "formats/atomic_directory.h"
#include "formats/message.h"
#include "formats/safetensors.h"
#include "formats/safetensors_layout.h"
#include "formats/utf8.h"

namespace vcas::formats {

namespace {

using NamedTensor = TensorMap::value_type;

/// Dtypes descending, so that wide elements come first and all are aligned; the map already sorts the names.
std::vector<const NamedTensor*> file_order(const TensorMap& tensors) {
  std::vector<const NamedTensor*> order;
  for (const auto& named : tensors) order.push_back(&named);
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [](const NamedTensor* named) { return named->second.dtype; });
  return order;
}

std::string json_string(std::string_view text) {
  if (first_invalid_utf8(text))
    throw std::invalid_argument("safetensors: expected UTF-8, got " + in_quotes(text));
  return nlohmann::json(text).dump();
}

void require_consistent(const NamedTensor& named) {
  const auto& [name, tensor] = named;
  if (name == kMetadataKey) throw std::invalid_argument("safetensors: no tensor may be named __metadata__");
  const auto size = tensor_bytes(tensor.dtype, tensor.shape);
  if (size && *size == tensor.bytes.size()) return;
  throw std::invalid_argument(fmt::format("safetensors: tensor {}: expected {} bytes for {}, got {}",
                                          in_quotes(name), size ? fmt::format("{}", *size) : "less than 2^63",
                                          described_tensor(tensor.dtype, tensor.shape), tensor.bytes.size()));
}

std::string metadata_member(const MetadataMap& metadata) {
  std::string members;
  for (const auto& [key, value] : metadata) {
    members += fmt::format("{}{}:{}", members.empty() ? "" : ",", json_string(key), json_string(value));
  }
  return fmt::format("\"{}\":{{{}}}", kMetadataKey, members);
}

}  // namespace

std::string safetensors_header(const TensorMap& tensors, const MetadataMap& metadata) {
  std::string header = "{";
  if (!metadata.empty()) header += metadata_member(metadata);
  uint64_t begin = 0;
  for (const auto* named : file_order(tensors)) {
    require_consistent(*named);
    const auto& [name, tensor] = *named;
    const auto end = begin + tensor.bytes.size();
    header += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.size() > 1 ? "," : "", json_string(name), dtype_name(tensor.dtype),
                          fmt::join(tensor.shape, ","), begin, end);
    begin = end;
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the data are aligned
  const uint64_t length = header.size();
  if (length > kLongestHeader)
    throw std::invalid_argument("safetensors: more names than a header holds (100 MB)");
  std::string prefix(kLengthBytes, '\0');
  std::memcpy(prefix.data(), &length, kLengthBytes);
  return prefix + header;
}

void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const MetadataMap& metadata) {
  const auto header = safetensors_header(tensors, metadata);
  write_file_atomically(path, [&](const WritePiece& write) {
    write(header);
    for (const auto* named : file_order(tensors)) {
      const auto bytes = named->second.bytes;
      write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
  });
}

}  // namespace vcas::formats
