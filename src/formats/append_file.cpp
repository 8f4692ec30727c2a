#include "formats/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace vcas::formats {

AppendFile::AppendFile(std::filesystem::path path)
    : path_(std::move(path)),
      descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (!descriptor_) throw std::system_error(errno, std::generic_category(), "cannot open " + path_.string());
}

std::error_code AppendFile::flush() {
  while (!pending_.empty()) {
    const auto written = ::write(descriptor_.get(), pending_.data(), pending_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return {errno, std::generic_category()};
    // A line may be on the disk in part; the rest goes right behind it.
    pending_.erase(0, static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace vcas::formats
