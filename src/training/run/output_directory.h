#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "formats/descriptor.h"

namespace vcas::training {

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
  /// Makes the folder where there is none, and removes what a killed process left half written.
  /// @throws formats::InputError: a file, another run holds it, or it cannot be made or written to.
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
  /// @throws formats::InputError when a model or a checkpoint lies there that no run wrote.
  void require_nothing_foreign() const;
  /// Removes what a run wrote, by exact names; other files stay. @throws std::filesystem::filesystem_error
  /// when the disk refuses.
  void remove_previous_run() const;

 private:
  std::filesystem::path path_;
  MadeFolders made_;
  formats::Descriptor lock_;
};

/// Refuses an output folder in which a run would remove or overwrite what it reads.
/// @param inputs files and folders; those that do not exist are left out.
/// @throws formats::InputError naming both.
void require_inputs_stay(const std::filesystem::path& output_dir,
                         const std::vector<std::filesystem::path>& inputs);

}  // namespace vcas::training
