#include "formats/json_lines_log.h"

#include <limits>
#include <string_view>

#include "formats/atomic_directory.h"
#include "formats/file.h"

namespace vcas::formats {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNone = std::numeric_limits<int64_t>::min();

/// The value of the key in a line; nothing for what is no line of the log.
std::optional<int64_t> key_of(std::string_view line, const std::string& key) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains(key)) return std::nullopt;
  return json.at(key).get<int64_t>();
}

/// Whole lines whose keys lie above one value and not above another, up to the first that is no line or is
/// newer.
std::string lines_between(std::string_view content, const std::string& key, int64_t after, int64_t last) {
  std::string lines;
  while (true) {
    const size_t end = content.find('\n');
    if (end == std::string_view::npos) return lines;
    const auto value = key_of(content.substr(0, end), key);
    if (!value || *value > last) return lines;
    if (*value > after) lines += content.substr(0, end + 1);
    content.remove_prefix(end + 1);
  }
}

int64_t newest(std::string_view lines, const std::string& key) {
  if (lines.empty()) return kNone;
  lines.remove_suffix(1);
  return key_of(lines.substr(lines.rfind('\n') + 1), key).value_or(kNone);
}

const fs::path& prepared(const fs::path& path, const std::string& key, std::optional<int64_t> last_kept,
                         std::string_view unwritten) {
  std::string kept;
  if (last_kept) {
    if (fs::exists(path)) kept = lines_between(read_file(path), key, kNone, *last_kept);
    kept += lines_between(unwritten, key, newest(kept, key), *last_kept);
  }
  write_file_atomically(path, kept);
  return path;
}

}  // namespace

JsonLinesLog::JsonLinesLog(fs::path path, const std::string& key, std::optional<int64_t> last_kept,
                           std::string_view unwritten)
    : file_(prepared(path, key, last_kept, unwritten)) {}

}  // namespace vcas::formats
