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
  while (begun_ < pending_.size()) {
    const auto written = ::write(descriptor_.get(), pending_.data() + begun_, pending_.size() - begun_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return {errno, std::generic_category()};
    // A line may be on the disk in part; the rest goes right behind it.
    begun_ += static_cast<std::size_t>(written);
    const std::size_t line = begun_ == pending_.size() ? begun_ : pending_.rfind('\n', begun_ - 1) + 1;
    pending_.erase(0, line);
    begun_ -= line;
  }
  return {};
}

}  // namespace vcas::formats
