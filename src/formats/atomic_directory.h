#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace vcas::formats {

/// Replaces a file so that a reader, or a crash, sees the old one or the new one whole: temporary file beside
/// it, sync, rename, sync of the folder. @throws std::system_error naming the file, which is then as it was.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);
/// The same for content that is too large to hold: `produce` is called once and hands over piece after piece.
using WritePiece = std::function<void(std::string_view)>;
void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(const WritePiece&)>& produce);

/// A folder that appears whole or not at all. Files are written to path(); commit() syncs them, writes
/// manifest.json (size and SHA-256 of each) last, renames the folder to its final name and syncs the parent.
/// Without commit() the temporary folder is removed again.
class AtomicDirectory {
 public:
  /// Makes the temporary folder beside the target (".name.vcas-tmp-HOST-PROCESS").
  /// @throws std::filesystem::filesystem_error when it cannot be made.
  explicit AtomicDirectory(const std::filesystem::path& target);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  /// Where files go until commit().
  const std::filesystem::path& path() const { return temporary_; }

  /// A target that exists already and was written by this class is exchanged for the new folder in one step
  /// and then removed; files that others put into it are kept. So it is with a
  /// folder that holds only files of other names than those written.
  /// @throws std::system_error when the disk refuses, or the target is something else; it is then as it was.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

inline constexpr std::string_view kManifestName = "manifest.json";

/// What is wrong with a folder that AtomicDirectory wrote: no readable manifest, or a file that is missing or
/// differs from its size or SHA-256. Nothing when it is as it was written. Files that the manifest does not
/// name are ignored.
std::optional<std::string> verify_directory(const std::filesystem::path& folder);

/// Removes what AtomicDirectory wrote: the files that the manifest names, then the manifest, then the folder
/// where nothing else lies in it. Nothing is removed through a symbolic link, or where no manifest can be
/// read.
void remove_directory(const std::filesystem::path& folder);

/// Not a link to one.
bool is_empty_folder(const std::filesystem::path& path);

/// A file of such a folder that its manifest does not name, which somebody else put there; nothing where
/// there is none, or no manifest can be read.
std::optional<std::filesystem::path> file_beside_manifest(const std::filesystem::path& folder);

/// SHA-256 of a file, 64 hexadecimal digits. @throws InputError when it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace vcas::formats
