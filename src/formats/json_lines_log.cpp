#include "formats/json_lines_log.h"

#include <string_view>

#include "formats/atomic_directory.h"
#include "formats/file.h"

namespace vcas::formats {
namespace {

namespace fs = std::filesystem;

std::string lines_up_to(std::string_view content, const std::string& key, int64_t last) {
  size_t kept = 0;
  while (true) {
    const size_t end = content.find('\n', kept);
    if (end == std::string_view::npos) break;
    const auto line =
        nlohmann::json::parse(content.substr(kept, end - kept), nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || line.value(key, last + 1) > last) break;
    kept = end + 1;
  }
  return std::string(content.substr(0, kept));
}

const fs::path& prepared(const fs::path& path, const std::string& key, std::optional<int64_t> last_kept) {
  std::string kept;
  if (last_kept && fs::exists(path)) kept = lines_up_to(read_file(path), key, *last_kept);
  write_file_atomically(path, kept);
  return path;
}

}  // namespace

JsonLinesLog::JsonLinesLog(fs::path path, const std::string& key, std::optional<int64_t> last_kept)
    : file_(prepared(path, key, last_kept)) {}

}  // namespace vcas::formats
