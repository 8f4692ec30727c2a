#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/file.h"

namespace vcas::formats {

/// Element types of safetensors, in the order by which Hugging Face sorts the tensors of a file (last first).
enum class Dtype { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };

/// Name in the file: "F32", "BF16", "BOOL", ...
std::string_view dtype_name(Dtype dtype);
/// Nothing for a name that the format does not have.
std::optional<Dtype> dtype_from_name(std::string_view name);
/// Bytes of one element.
std::size_t dtype_size(Dtype dtype);

/// A tensor's description and its bytes: row-major, little-endian, owned by someone else, not necessarily
/// aligned.
struct TensorView {
  Dtype dtype = Dtype::f32;
  std::vector<int64_t> shape;  ///< [] is a scalar
  std::span<const std::byte> bytes;
};

using TensorMap = std::map<std::string, TensorView, std::less<>>;
using MetadataMap = std::map<std::string, std::string, std::less<>>;

/// What a safetensors file says; the views point into the bytes that were parsed.
struct SafetensorsContent {
  TensorMap tensors;
  MetadataMap metadata;  ///< `__metadata__`
};

/// Reads a safetensors file that lies in memory and checks everything that its specification asks for: header
/// length within the file and 100 MB, a JSON object with unique keys, known dtypes, shapes whose size neither
/// is negative nor overflows, and tensors that cover the data exactly, without overlap or hole.
/// @param source names the file in messages.
/// @throws InputError "model.safetensors: tensor 'x': expected 16 bytes for F32 [2, 2], got data_offsets [0,
/// 12]". Source: https://github.com/huggingface/safetensors, "Format".
SafetensorsContent parse_safetensors(std::span<const std::byte> bytes, std::string_view source);

/// A memory-mapped safetensors file: opening it reads the header only.
class SafetensorsFile {
 public:
  /// @throws InputError as MappedFile and parse_safetensors.
  explicit SafetensorsFile(const std::filesystem::path& path);

  /// Views that live as long as this object.
  const TensorMap& tensors() const { return content_.tensors; }
  const MetadataMap& metadata() const { return content_.metadata; }

 private:
  MappedFile file_;
  SafetensorsContent content_;
};

/// Writes a safetensors file (atomically, see write_file_atomically): dtypes in descending order, names
/// ascending within one, header padded with spaces to 8 bytes; the same bytes as Hugging Face's writer,
/// whatever the map's origin. @throws std::invalid_argument when a tensor's bytes do not fit its shape, a
/// dimension is negative, or a name is `__metadata__` or not UTF-8; std::system_error when the disk refuses.
void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const MetadataMap& metadata = {{"format", "pt"}});

/// The bytes before the data: header length and header, as write_safetensors puts them. @throws
/// std::invalid_argument.
std::string safetensors_header(const TensorMap& tensors, const MetadataMap& metadata);

}  // namespace vcas::formats
