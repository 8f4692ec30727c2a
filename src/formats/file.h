#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace vcas::formats {

/// A whole file in memory. @throws InputError when it is missing, a directory, or cannot be read.
std::string read_file(const std::filesystem::path& path);

/// A file's bytes mapped read-only. They live as long as this object; the file must not shrink meanwhile.
class MappedFile {
 public:
  /// @throws InputError when it is missing, not a regular file, or cannot be mapped.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace vcas::formats
