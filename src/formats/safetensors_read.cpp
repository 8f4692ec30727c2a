#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "formats/message.h"
#include "formats/safetensors.h"
#include "formats/safetensors_layout.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

namespace vcas::formats {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors are little-endian; reading swaps no bytes");

/// A tensor as the header describes it, its place not yet compared with the others'.
struct Entry {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  uint64_t begin;
  uint64_t end;
};

std::string_view header_text(std::span<const std::byte> bytes, std::string_view source) {
  if (bytes.empty()) throw InputError(source, "the file is empty, expected safetensors");
  if (bytes.size() < kLengthBytes) {
    throw InputError(source, fmt::format("expected at least 8 bytes of header length, got {}", bytes.size()));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kLongestHeader) {
    throw InputError(source, fmt::format("expected a header of at most {} bytes, got header length {}; not a "
                                         "safetensors file, or a damaged one",
                                         kLongestHeader, length));
  }
  const uint64_t available = bytes.size() - kLengthBytes;
  if (length > available) {
    throw InputError(source, fmt::format("expected a header of {} bytes, got only {}: the file is truncated",
                                         length, available));
  }
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  if (!header.starts_with('{')) throw InputError(source, "expected a header that begins with '{'");
  return header;
}

/// Reads one tensor's description; every message names the file and the tensor.
class EntryParser {
 public:
  EntryParser(std::string name, const nlohmann::json& description, std::string_view source)
      : name_(std::move(name)), description_(description), source_(source) {}

  Entry parse() const {
    if (!description_.is_object()) fail("expected an object with dtype, shape and data_offsets");
    const auto dtype = parse_dtype();
    auto shape = parse_shape();
    const auto [begin, end] = parse_offsets();
    const auto size = tensor_bytes(dtype, shape);
    if (!size) fail("the size of " + described_tensor(dtype, shape) + " overflows 63 bits");
    if (begin > end || end - begin != *size) {
      fail(fmt::format("expected {} bytes for {}, got data_offsets [{}, {}]", *size,
                       described_tensor(dtype, shape), begin, end));
    }
    return {name_, dtype, std::move(shape), begin, end};
  }

 private:
  [[noreturn]] void fail(std::string_view message) const {
    throw InputError(source_, fmt::format("tensor {}: {}", in_quotes(name_), message));
  }

  const nlohmann::json& member(std::string_view key) const {
    const auto found = description_.find(key);
    if (found == description_.end()) fail(fmt::format("{} is missing", key));
    return *found;
  }

  Dtype parse_dtype() const {
    const auto& value = member("dtype");
    if (!value.is_string()) fail("dtype: expected a string");
    const auto& text = value.get_ref<const std::string&>();
    const auto dtype = dtype_from_name(text);
    if (!dtype)
      fail(fmt::format("dtype: expected a type of safetensors such as F32, got {}", in_quotes(text)));
    return *dtype;
  }

  std::vector<int64_t> parse_shape() const {
    const auto& value = member("shape");
    if (!value.is_array()) fail("shape: expected an array");
    std::vector<int64_t> shape;
    for (const auto& dimension : value) {
      const auto size = unsigned_number(dimension, "shape");
      if (!std::in_range<int64_t>(size)) fail(fmt::format("shape: dimension {} overflows 63 bits", size));
      shape.push_back(static_cast<int64_t>(size));
    }
    return shape;
  }

  std::pair<uint64_t, uint64_t> parse_offsets() const {
    const auto& value = member("data_offsets");
    if (!value.is_array() || value.size() != 2) fail("data_offsets: expected [begin, end]");
    return {unsigned_number(value[0], "data_offsets"), unsigned_number(value[1], "data_offsets")};
  }

  uint64_t unsigned_number(const nlohmann::json& value, std::string_view key) const {
    if (value.is_number_unsigned()) return value.get<uint64_t>();
    fail(fmt::format("{}: expected non-negative integers, got {}", key,
                     value.is_number() ? value.dump() : std::string(value.type_name())));
  }

  std::string name_;
  const nlohmann::json& description_;
  std::string_view source_;
};

MetadataMap parse_metadata(const nlohmann::json& value, std::string_view source) {
  if (!value.is_object()) throw InputError(source, "__metadata__: expected an object of strings");
  MetadataMap metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      throw InputError(source, fmt::format("__metadata__: key {}: expected a string, got {}", in_quotes(key),
                                           std::string_view(text.type_name())));
    }
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

/// The tensors in file order must lie end to end, from the first byte of the data to the last.
void require_exact_cover(std::vector<Entry>& entries, uint64_t data_size, std::string_view source) {
  std::ranges::sort(entries, {}, [](const Entry& entry) { return std::pair(entry.begin, entry.end); });
  uint64_t covered = 0;
  for (const auto& entry : entries) {
    if (entry.begin != covered) {
      throw InputError(
          source, fmt::format("tensor {}: expected data that begins at {}, got data_offsets [{}, {}]: {}",
                              in_quotes(entry.name), covered, entry.begin, entry.end,
                              entry.begin < covered ? "tensors overlap" : "a hole between tensors"));
    }
    if (entry.end > data_size) {
      throw InputError(source,
                       fmt::format("tensor {}: data_offsets [{}, {}] reach beyond the {} bytes of data: the "
                                   "file is truncated",
                                   in_quotes(entry.name), entry.begin, entry.end, data_size));
    }
    covered = entry.end;
  }
  if (covered != data_size) {
    throw InputError(
        source, fmt::format("expected {} bytes of data for the tensors named, got {}", covered, data_size));
  }
}

}  // namespace

SafetensorsContent parse_safetensors(std::span<const std::byte> bytes, std::string_view source) {
  const auto header = header_text(bytes, source);
  const auto document = parse_json(header, fmt::format("{} (header)", source));
  SafetensorsContent content;
  std::vector<Entry> entries;
  for (const auto& [name, description] : document.items()) {
    if (name == kMetadataKey) {
      content.metadata = parse_metadata(description, source);
    } else {
      entries.push_back(EntryParser(name, description, source).parse());
    }
  }
  const auto data = bytes.subspan(kLengthBytes + header.size());
  require_exact_cover(entries, data.size(), source);
  for (auto& entry : entries) {
    content.tensors.emplace(
        std::move(entry.name),
        TensorView{entry.dtype, std::move(entry.shape), data.subspan(entry.begin, entry.end - entry.begin)});
  }
  return content;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : file_(path), content_(parse_safetensors(file_.bytes(), path.string())) {}

}  // namespace vcas::formats
