#pragma once

#include <filesystem>
#include <functional>
#include <optional>

namespace vcas::formats {

/// Something that a process writes, or wrote until it was killed, under a temporary name:
/// ".NAME.vcas-tmp-HOST-PROCESS", with "-old" behind it for a folder that is being replaced.
struct Leftover {
  std::filesystem::path path;
  std::filesystem::path target;  ///< NAME, in the same folder
  bool aside = false;            ///< "-old"
};

/// What a path's name says; nothing for another name.
std::optional<Leftover> leftover_at(const std::filesystem::path& path);

using TargetPredicate = std::function<bool(const std::filesystem::path& target)>;

/// Gives folders that a crash left between two renames their names back, where nothing has them by now.
void restore_replaced(const std::filesystem::path& folder, const TargetPredicate& is_own);

/// Removes the leftovers of some targets from a folder. No process may be writing them.
void sweep_leftovers(const std::filesystem::path& folder, const TargetPredicate& is_own);

/// Removes what killed processes of this host left of one file, such as a result that anybody may write.
void sweep_leftovers_of(const std::filesystem::path& file);

}  // namespace vcas::formats
