#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vcas::formats {

/// Strict JSON (RFC 8259): UTF-8, no duplicate keys, nesting of at most 64.
/// @throws InputError "config.json:3: duplicate key 'hidden_size'".
nlohmann::json read_json(const std::filesystem::path& path);
/// @param source names the text in messages.
nlohmann::json parse_json(std::string_view text, std::string_view source);

/// A line of a log, counted from 1, and the object on it.
struct JsonLine {
  int64_t number = 0;
  nlohmann::json object;
};
/// A file with a JSON object a line, which may grow meanwhile: what follows the last line feed is left out.
/// @throws InputError "metrics.jsonl:7: not JSON: ...".
std::vector<JsonLine> read_json_log(const std::filesystem::path& path);

/// A JSON object read key by key: each getter checks presence, type and range, and names file and key when it
/// throws InputError "config.json: key 'hidden_size': expected an integer, got \"768\"".
class JsonObject {
 public:
  /// @param source names the file in messages. @param object must outlive this. @throws InputError when it is
  /// no object.
  JsonObject(const nlohmann::json& object, std::string source);

  /// True when the key is there and not null.
  bool has(std::string_view key) const;

  std::string string(std::string_view key) const;
  bool boolean(std::string_view key) const;
  int64_t integer(std::string_view key, int64_t minimum = std::numeric_limits<int64_t>::min(),
                  int64_t maximum = std::numeric_limits<int64_t>::max()) const;
  /// An integer is a number too.
  double number(std::string_view key, double minimum = std::numeric_limits<double>::lowest(),
                double maximum = std::numeric_limits<double>::max()) const;
  JsonObject object(std::string_view key) const;
  /// Any value. @throws InputError when the key is missing or null.
  const nlohmann::json& value(std::string_view key) const;

  /// The same, with what stands for a key that is missing or null.
  std::string string_or(std::string_view key, std::string fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  int64_t integer_or(std::string_view key, int64_t fallback,
                     int64_t minimum = std::numeric_limits<int64_t>::min(),
                     int64_t maximum = std::numeric_limits<int64_t>::max()) const;
  double number_or(std::string_view key, double fallback,
                   double minimum = std::numeric_limits<double>::lowest(),
                   double maximum = std::numeric_limits<double>::max()) const;

  const nlohmann::json& json() const { return *object_; }
  const std::string& source() const { return source_; }

  /// @throws InputError "source: key 'prefix.key': expected `expected`, got `the value`", always.
  [[noreturn]] void fail(std::string_view key, std::string_view expected) const;

 private:
  JsonObject(const nlohmann::json& object, std::string source, std::string prefix);

  const nlohmann::json* object_;
  std::string source_;
  std::string prefix_;  ///< of nested keys: "outer.inner."
};

}  // namespace vcas::formats
