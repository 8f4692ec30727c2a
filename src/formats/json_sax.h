#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace vcas::formats {

inline constexpr std::size_t kDeepestJson = 64;

/// Receives a JSON text's parts and can refuse one with the line where it stands.
class JsonHandler : public nlohmann::json::json_sax_t {
 public:
  /// @throws InputError "source:line: message".
  [[noreturn]] void fail(std::string_view message) const;

  bool binary(nlohmann::json::binary_t&) final { return false; }  // JSON has none
  bool parse_error(std::size_t position, const std::string& last_token,
                   const nlohmann::json::exception& error) final;

 private:
  friend void scan_json(std::string_view, std::string_view, int64_t, JsonHandler&);

  std::string_view text_;
  std::string_view source_;
  int64_t first_line_ = 1;
  std::size_t position_ = 0;  ///< bytes read so far
};

/// Hands the parts of one JSON text, well-formed UTF-8, to a handler.
/// @param first_line number of the text's first line in its file.
/// @throws InputError "source:line: not JSON: ...".
void scan_json(std::string_view text, std::string_view source, int64_t first_line, JsonHandler& handler);

}  // namespace vcas::formats
