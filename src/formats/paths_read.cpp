#include "formats/paths_read.h"

#include <system_error>

namespace vcas::formats {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as Linux follows

/// A path's own name, and every one that its links lead to.
void add_names_of(fs::path path, std::vector<fs::path>& names) {
  std::error_code error;
  names.push_back(fs::absolute(path).lexically_normal());
  if (auto last = fs::canonical(path, error); !error) names.push_back(std::move(last));
  for (int links = 0; links < kMostLinks; ++links) {
    const auto folder = fs::canonical(fs::absolute(path).parent_path(), error);
    if (error) return;
    const auto name = folder / path.filename();
    names.push_back(name);
    if (!fs::is_symlink(fs::symlink_status(name, error))) return;
    path = folder / fs::read_symlink(name, error);
  }
}

}  // namespace

std::vector<fs::path> paths_read(const fs::path& input) {
  std::error_code error;
  std::vector<fs::path> names;
  const auto path = input.has_filename() ? input : input.parent_path();
  if (!fs::exists(path, error)) return names;
  add_names_of(path, names);
  if (!fs::is_directory(path, error)) return names;
  for (const auto& entry : fs::directory_iterator(path, error))
    if (!entry.is_directory(error)) add_names_of(entry.path(), names);
  return names;
}

}  // namespace vcas::formats
