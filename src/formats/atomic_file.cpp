#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "formats/atomic_directory.h"
#include "formats/descriptor.h"
#include "formats/sync.h"

namespace vcas::formats {

namespace {

[[noreturn]] void cannot(const char* verb, const std::filesystem::path& path) {
  throw std::system_error(errno, std::generic_category(),
                          std::string("cannot ") + verb + " " + path.string());
}

void write_all(const Descriptor& descriptor, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) cannot("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Removes the temporary file unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~TemporaryFile() {
    if (!renamed_) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void rename_to(const std::filesystem::path& target) {
    if (::rename(path_.c_str(), target.c_str()) != 0) cannot("replace", target);
    renamed_ = true;
  }

 private:
  std::filesystem::path path_;
  bool renamed_ = false;
};

}  // namespace

void sync_path(const std::filesystem::path& path) {
  const auto place = path.empty() ? std::filesystem::path(".") : path;
  const Descriptor descriptor(::open(place.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor) cannot("open", place);
  // Some file systems cannot sync a folder and say EINVAL; there is nothing more to be done there.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL) cannot("sync", place);
}

void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(const WritePiece&)>& produce) {
  TemporaryFile temporary(temporary_sibling(path));
  Descriptor descriptor(::open(temporary.path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!descriptor) cannot("create", temporary.path());
  produce([&](std::string_view piece) { write_all(descriptor, piece, path); });
  if (::fsync(descriptor.get()) != 0) cannot("sync", path);
  if (::close(descriptor.release()) != 0) cannot("close", path);
  temporary.rename_to(path);
  sync_path(path.parent_path());
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  write_file_atomically(path, [&](const WritePiece& write) { write(content); });
}

}  // namespace vcas::formats
