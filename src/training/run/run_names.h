#pragma once

#include <filesystem>
#include <vector>

namespace vcas::training {

/// A run's first and last file in its folder: what else lies there is told from others' files by it.
inline constexpr const char* kFirstFile = "metrics.jsonl";

/// Whether a run gives this name to a file in its folder.
bool is_file_of_run(const std::filesystem::path& name);

/// Whether a run gives this name to something in its folder, file or checkpoint. Of a path the last part
/// counts.
bool is_name_of_run(const std::filesystem::path& name);

/// What a run wrote into its folder, by exact names: files, whole or damaged checkpoints; kFirstFile last.
std::vector<std::filesystem::path> files_of_run(const std::filesystem::path& output_dir);

}  // namespace vcas::training
