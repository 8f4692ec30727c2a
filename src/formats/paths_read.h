#pragma once

#include <filesystem>
#include <vector>

namespace vcas::formats {

/// Absolute paths that reading an input passes: the file, or the folder and the files right in it; of each
/// its own name, those that a chain of links leads over, and the last. Nothing where nothing is.
std::vector<std::filesystem::path> paths_read(const std::filesystem::path& input);

}  // namespace vcas::formats
