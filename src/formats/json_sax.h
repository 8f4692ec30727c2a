#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

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

 protected:
  /// Line of the part at hand. Costs a pass over what was read since the last call.
  int64_t line();
  /// How the file has the null at hand where it is none: "NaN", "-Infinity". Empty for a null.
  std::string_view take_literal() { return std::exchange(literal_, {}); }

 private:
  friend std::size_t scan_json_value(std::string_view, std::size_t, std::string_view, int64_t, JsonHandler&);
  friend void scan_json(std::string_view, std::string_view, int64_t, JsonHandler&);

  void start(std::string_view text, std::size_t position, std::string_view source, int64_t first_line);

  std::string_view text_;
  std::string_view source_;
  int64_t first_line_ = 1;
  std::size_t position_ = 0;  ///< bytes read so far
  std::string_view literal_;
  std::size_t counted_ = 0;  ///< bytes whose lines were counted
  int64_t line_ = 1;         ///< where they end
};

/// Hands the parts of one JSON text, well-formed UTF-8, to a handler.
/// @param first_line number of the text's first line in its file.
/// @throws InputError "source:line: not JSON: ...".
void scan_json(std::string_view text, std::string_view source, int64_t first_line, JsonHandler& handler);

/// Hands the parts of the value that begins at `position` to a handler. What Python and Arrow write for
/// numbers that are none (NaN, Infinity, Inf, also with a minus) comes as null; JsonHandler::take_literal has
/// it.
/// @param first_line number of the text's first line in its file.
/// @return the position after the value, or where the handler stopped.
/// @throws InputError as scan_json.
std::size_t scan_json_value(std::string_view text, std::size_t position, std::string_view source,
                            int64_t first_line, JsonHandler& handler);

}  // namespace vcas::formats
