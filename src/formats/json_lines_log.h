#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "formats/append_file.h"

namespace vcas::formats {

/// A file of JSON objects, one a line. What a full disk refuses is kept for the next flush().
class JsonLinesLog {
 public:
  /// @param key an integer of every line, ascending. @param last_kept lines that are there already stay up to
  /// this value of the key; without it none stays. A line that a crash cut off ends the file. @param
  /// unwritten lines, as unwritten() gave them, that go behind those where they are missing.
  /// @throws std::system_error when the disk refuses.
  JsonLinesLog(std::filesystem::path path, const std::string& key, std::optional<int64_t> last_kept,
               std::string_view unwritten = {});

  void write(const nlohmann::json& line) { file_.add(line.dump() + "\n"); }
  /// @return why lines are left that are not written, if so.
  std::error_code flush() { return file_.flush(); }
  /// Whole lines that the disk refused so far.
  const std::string& unwritten() const { return file_.unwritten(); }
  const std::filesystem::path& path() const { return file_.path(); }

 private:
  AppendFile file_;
};

}  // namespace vcas::formats
