#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace vcas::formats {

/// The user's input is wrong (exit status 2). The message is complete: file, line or key, what was expected,
/// what came.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;

  /// "source: message".
  InputError(std::string_view source, std::string_view message);
  /// "source:line: message". @param line counted from 1.
  InputError(std::string_view source, int64_t line, std::string_view message);
};

}  // namespace vcas::formats
