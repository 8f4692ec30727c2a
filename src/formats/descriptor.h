#pragma once

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string_view>
#include <utility>

namespace vcas::formats {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  explicit operator bool() const { return value_ >= 0; }
  int get() const { return value_; }
  /// For the caller to close, and so to see close's own error.
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

/// Hands over a file's content piece after piece. @throws InputError as read_file.
void read_pieces(const std::filesystem::path& path, const std::function<void(std::string_view)>& take);

}  // namespace vcas::formats
