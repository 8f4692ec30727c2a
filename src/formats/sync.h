#pragma once

#include <filesystem>

namespace vcas::formats {

/// Where this process writes something before it gets the target's name: ".name.vcas-tmp-HOST-PROCESS" in the
/// same folder.
std::filesystem::path temporary_sibling(const std::filesystem::path& target);
/// Where the folder that is being replaced lies meanwhile, on a file system that cannot exchange two.
std::filesystem::path aside_name(const std::filesystem::path& temporary);

/// Brings a file's content or a folder's entries to the disk. @throws std::system_error.
void sync_path(const std::filesystem::path& path);

}  // namespace vcas::formats
