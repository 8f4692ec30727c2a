#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "formats/descriptor.h"

namespace vcas::formats {

/// A file that grows at its end. What a full disk refuses is kept, in order, until a later flush() can write
/// it.
class AppendFile {
 public:
  /// @throws std::system_error naming the file when it cannot be opened or made.
  explicit AppendFile(std::filesystem::path path);

  void add(std::string_view bytes) { pending_ += bytes; }
  /// Hands everything that was added to the operating system. @return why something is left, if so.
  std::error_code flush();

  /// What a flush() could not write, from the beginning of the line that it got to.
  const std::string& unwritten() const { return pending_; }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
  std::string pending_;
  std::size_t begun_ = 0;  ///< bytes of pending_ that the file has
};

}  // namespace vcas::formats
