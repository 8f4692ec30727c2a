#include "formats/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "formats/descriptor.h"
#include "vcas/formats/error.h"

namespace vcas::formats {

namespace {

[[noreturn]] void cannot(const char* verb, const std::filesystem::path& path, int error) {
  throw InputError(path.string(), fmt::format("cannot {}: {}", verb, std::strerror(error)));
}

struct OpenFile {
  Descriptor descriptor;
  struct stat status;
};

OpenFile open_for_reading(const std::filesystem::path& path) {
  OpenFile file{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), {}};
  if (!file.descriptor) cannot("open the file", path, errno);
  if (::fstat(file.descriptor.get(), &file.status) != 0) cannot("read the file", path, errno);
  if (S_ISDIR(file.status.st_mode)) throw InputError(path.string(), "expected a file, got a directory");
  return file;
}

}  // namespace

void read_pieces(const std::filesystem::path& path, const std::function<void(std::string_view)>& take) {
  const auto file = open_for_reading(path);
  std::string buffer(std::size_t{1} << 20, '\0');
  for (;;) {
    const auto count = ::read(file.descriptor.get(), buffer.data(), buffer.size());
    if (count == 0) return;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) cannot("read the file", path, errno);
    take(std::string_view(buffer).substr(0, static_cast<std::size_t>(count)));
  }
}

std::string read_file(const std::filesystem::path& path) {
  std::string content;
  read_pieces(path, [&](std::string_view piece) { content += piece; });
  return content;
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const auto file = open_for_reading(path);
  if (!S_ISREG(file.status.st_mode)) throw InputError(path.string(), "expected a regular file");
  const auto size = static_cast<std::size_t>(file.status.st_size);
  if (size == 0) return;  // mmap refuses a length of 0
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.descriptor.get(), 0);
  if (address == MAP_FAILED) cannot("map the file", path, errno);
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace vcas::formats
