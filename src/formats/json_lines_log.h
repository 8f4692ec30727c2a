#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace vcas::formats {

/// A file of JSON objects, one a line, each on the disk when write() returns to the caller's next flush().
class JsonLinesLog {
 public:
  /// @param key an integer of every line, ascending. @param last_kept lines that are there already stay up to
  /// this value of the key; without it none stays. A line that a crash cut off ends the file.
  /// @throws std::system_error when the disk refuses.
  JsonLinesLog(std::filesystem::path path, const std::string& key, std::optional<int64_t> last_kept);

  void write(const nlohmann::json& line);
  /// @throws std::system_error when the disk refuses.
  void flush();

 private:
  std::filesystem::path path_;
  std::ofstream lines_;
};

}  // namespace vcas::formats
