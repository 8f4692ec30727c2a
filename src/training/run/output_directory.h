#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "formats/descriptor.h"

namespace vcas::training {

/// The hidden file of an output folder that a run locks.
inline constexpr const char* kLockFile = ".vcas.lock";

/// Folders that were made for something; those that stay empty are removed again.
struct MadeFolders {
  MadeFolders() = default;
  MadeFolders(MadeFolders&&) = default;
  MadeFolders& operator=(MadeFolders&&) = delete;
  MadeFolders(const MadeFolders&) = delete;
  ~MadeFolders();

  std::vector<std::filesystem::path> innermost_first;
};

/// An output folder, held against other runs for as long as this lives. The hold is a lock of the operating
/// system (flock on a hidden file), which ends with the process however that ends. On NFS it holds between
/// hosts from Linux 2.6.12 on; a file system without locks is said on stderr.
class OutputDirectory {
 public:
  /// Makes the folder where there is none. A checkpoint that a killed run was replacing gets its name back.
  /// @throws formats::InputError: a file, another run holds it, it cannot be made or written to, or something
  /// in it has the name of a run's file and is none.
  /// std::system_error when the disk is full.
  explicit OutputDirectory(std::filesystem::path path);
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Nothing lies in it but the lock.
  bool is_empty() const;
  /// @throws formats::InputError when it holds a run.
  void require_no_run() const;
  /// As training::require_nothing_foreign.
  void require_nothing_foreign() const;
  /// Removes what a run wrote, by exact names, and what a killed one left half written; other files stay.
  /// @throws std::filesystem::filesystem_error when the disk refuses.
  void remove_run() const;
  /// The same for a run that begins: an empty metrics.jsonl says from now on that what follows is a run's.
  void remove_previous_run() const;

 private:
  std::filesystem::path path_;
  MadeFolders made_;
  formats::Descriptor lock_;
};

/// @throws formats::InputError when something lies in a folder that no run wrote and that a run would
/// overwrite, or a checkpoint that it could not replace.
void require_nothing_foreign(const std::filesystem::path& output_dir);

/// Refuses early, and without a hold, what OutputDirectory and require_nothing_foreign() refuse of a folder
/// that a later run is to have, if it is there already. @throws formats::InputError
void require_takes_run(const std::filesystem::path& output_dir);

/// Refuses an output folder in which a run would remove or overwrite what it reads.
/// @param inputs files and folders, of which the files right in them count, under every name that links give
/// them; those that do not exist are left out.
/// @throws formats::InputError naming both.
void require_inputs_stay(const std::filesystem::path& output_dir,
                         const std::vector<std::filesystem::path>& inputs);

}  // namespace vcas::training
