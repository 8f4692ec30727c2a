#pragma once

#include <filesystem>

namespace vcas::formats {

/// Where something is written before it gets the target's name: ".name.vcas-tmp" in the same folder.
std::filesystem::path temporary_sibling(const std::filesystem::path& target);

/// Brings a file's content or a folder's entries to the disk. @throws std::system_error.
void sync_path(const std::filesystem::path& path);

}  // namespace vcas::formats
