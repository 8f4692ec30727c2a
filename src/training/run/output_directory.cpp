#include "training/run/output_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "formats/atomic_directory.h"
#include "formats/file.h"
#include "formats/host_name.h"
#include "formats/leftovers.h"
#include "formats/paths_read.h"
#include "formats/warning.h"
#include "training/run/checkpoint.h"
#include "training/run/run_names.h"
#include "vcas/formats/error.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;
using formats::Descriptor;
using formats::InputError;

constexpr std::string_view kLockText = "process ";  // it begins with

std::string named(const fs::path& output_dir) { return "output_dir " + output_dir.string(); }

bool is_present(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

[[noreturn]] void cannot_use(const fs::path& output_dir, int error) {
  constexpr int kUsersOwn[] = {EACCES, EPERM, EROFS, ENOTDIR, ENAMETOOLONG, ELOOP, ENOENT, EEXIST};
  if (std::ranges::find(kUsersOwn, error) != std::end(kUsersOwn)) {
    throw InputError(named(output_dir), fmt::format("expected a folder that can be made and written to: {}",
                                                    std::strerror(error)));
  }
  throw std::system_error(error, std::generic_category(), "cannot write to " + output_dir.string());
}

/// Outermost first, so that only what was made here is ever removed again.
MadeFolders make_folders(const fs::path& folder) {
  MadeFolders made;
  fs::path place;
  for (const auto& part : fs::absolute(folder)) {
    place /= part;
    std::error_code error;
    const auto status = fs::status(place, error);
    if (status.type() == fs::file_type::none) cannot_use(folder, error.value());
    if (fs::is_directory(status)) continue;
    if (fs::exists(status))
      throw InputError(named(folder), "expected a folder, got a file: " + place.string());
    if (is_present(place))
      throw InputError(named(folder), "expected a folder, got a link to nothing: " + place.string());
    error.clear();
    if (fs::create_directory(place, error)) made.innermost_first.insert(made.innermost_first.begin(), place);
    if (error) cannot_use(folder, error.value());
  }
  return made;
}

/// @throws InputError where a run cannot write all that it writes.
const fs::path& writable(const fs::path& folder) {
  if (::faccessat(AT_FDCWD, folder.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) cannot_use(folder, errno);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!is_file_of_run(entry.path()) || !fs::is_directory(entry.path(), error)) continue;
    throw InputError(named(folder),
                     fmt::format("expected no folder of the name {}, which a run gives to a file",
                                 entry.path().filename().string()));
  }
  return folder;
}

bool is_still_at(const Descriptor& file, const fs::path& path) {
  struct stat held {
  }, present{};
  return ::fstat(file.get(), &held) == 0 && ::lstat(path.c_str(), &present) == 0 &&
         held.st_ino == present.st_ino && held.st_dev == present.st_dev;
}

/// Who holds the lock, as its file says.
std::string holder(const fs::path& lock) {
  try {
    return formats::read_file(lock);
  } catch (const InputError&) {
    return {};
  }
}

[[noreturn]] void refuse_lock_file(const fs::path& folder) {
  throw InputError(named(folder),
                   fmt::format("expected {} to be the file by which a run holds its folder, got "
                               "something else; move it, or choose another folder",
                               kLockFile));
}

/// Never another file by a link of either kind.
Descriptor open_lock(const fs::path& folder) {
  const auto path = folder / kLockFile;
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
  if (!file && (errno == ELOOP || errno == EISDIR || errno == ENXIO)) refuse_lock_file(folder);
  if (!file) cannot_use(folder, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) cannot_use(folder, errno);
  if (!S_ISREG(status.st_mode) || status.st_nlink > 1) refuse_lock_file(folder);
  return file;
}

void write_holder(const Descriptor& file, const fs::path& folder) {
  std::string before(kLockText.size(), '\0');
  const auto count = ::pread(file.get(), before.data(), before.size(), 0);
  before.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  if (!kLockText.starts_with(before)) refuse_lock_file(folder);
  const auto text = fmt::format("{}{} on {}", kLockText, ::getpid(), formats::host_name());
  if (::ftruncate(file.get(), 0) != 0 || ::write(file.get(), text.data(), text.size()) < 0) {
    // A full disk: the lock holds all the same, and a refusal names nobody.
  }
}

Descriptor hold(const fs::path& folder) {
  const auto path = folder / kLockFile;
  for (;;) {
    auto file = open_lock(folder);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        throw InputError(named(folder),
                         fmt::format("expected a folder that no other run writes to, got one that is "
                                     "held by {}; wait for it, or choose another folder",
                                     holder(path)));
      }
      formats::warn(fmt::format("{}: the file system has no locks ({}): nothing keeps a second run out",
                                named(folder), std::strerror(errno)));
      return file;
    }
    // A run that just ended has removed the file that was opened: the next one would make another.
    if (!is_still_at(file, path)) continue;
    write_holder(file, folder);
    return file;
  }
}

/// Whether a run gives this name to something in its folder, be it for as long as it writes.
bool is_name_in_run(const fs::path& name) {
  const auto leftover = formats::leftover_at(name);
  return name == kLockFile || is_name_of_run(leftover ? leftover->target : name);
}

[[noreturn]] void refuse_foreign(const fs::path& output_dir, const std::string& name) {
  throw InputError(named(output_dir),
                   fmt::format("expected a folder without files that no run wrote and that this "
                               "run would overwrite, got one with {}; choose another folder",
                               name));
}

}  // namespace

OutputDirectory::OutputDirectory(fs::path path)
    : path_(std::move(path)), made_(make_folders(path_)), lock_(hold(writable(path_))) {
  formats::restore_replaced(path_, is_name_of_run);
}

OutputDirectory::~OutputDirectory() {
  std::error_code ignored;  // a destructor has nobody to tell
  fs::remove(path_ / kLockFile, ignored);
}

MadeFolders::~MadeFolders() {
  std::error_code ignored;
  for (const auto& folder : innermost_first) fs::remove(folder, ignored);  // refuses one that is not empty
}

bool OutputDirectory::is_empty() const {
  const auto entries = fs::directory_iterator(path_);
  return std::all_of(begin(entries), end(entries),
                     [](const auto& entry) { return entry.path().filename() == kLockFile; });
}

void OutputDirectory::require_no_run() const {
  const auto files = files_of_run(path_);
  if (files.empty()) return;
  if (!is_present(path_ / kFirstFile)) require_nothing_foreign();
  throw InputError(named(path_),
                   "expected a folder without a run in it, got one with " +
                       files.front().filename().string() +
                       "; continue that run with --resume_from_checkpoint auto, replace it with "
                       "--overwrite_output_dir, or choose another folder");
}

void OutputDirectory::require_nothing_foreign() const { training::require_nothing_foreign(path_); }

void OutputDirectory::remove_run() const {
  formats::sweep_leftovers(path_, is_name_of_run);
  for (const auto& file : files_of_run(path_)) {
    if (fs::is_directory(file) && !fs::is_symlink(file))
      formats::remove_directory(file);
    else
      fs::remove(file);
  }
}

void OutputDirectory::remove_previous_run() const {
  remove_run();
  formats::write_file_atomically(path_ / kFirstFile, "");
}

void require_nothing_foreign(const fs::path& output_dir) {
  std::set<fs::path> files, checkpoints;
  for (const auto& entry : fs::directory_iterator(output_dir)) {
    if (is_file_of_run(entry.path())) files.insert(entry.path().filename());
    if (checkpoint_step(entry.path())) checkpoints.insert(entry.path());
  }
  if (!files.empty() && !files.contains(kFirstFile)) refuse_foreign(output_dir, files.begin()->string());
  for (const auto& checkpoint : checkpoints) {
    if (const auto problem = why_not_replaceable(checkpoint)) {
      throw InputError(named(output_dir), fmt::format("expected checkpoints that can be replaced, got {}: {}",
                                                      checkpoint.filename().string(), *problem));
    }
    if (!is_checkpoint(checkpoint) && !formats::is_empty_folder(checkpoint))
      refuse_foreign(output_dir, checkpoint.filename().string());
  }
}

void require_takes_run(const fs::path& output_dir) {
  std::error_code error;
  const auto type = fs::status(output_dir, error).type();
  if (type == fs::file_type::not_found && !is_present(output_dir)) return;
  if (type == fs::file_type::none) cannot_use(output_dir, error.value());
  if (type != fs::file_type::directory) throw InputError(named(output_dir), "expected a folder, got a file");
  writable(output_dir);
  require_nothing_foreign(output_dir);
}

void require_inputs_stay(const fs::path& output_dir, const std::vector<fs::path>& inputs) {
  std::error_code error;
  auto output = fs::weakly_canonical(output_dir, error);
  if (error) output = fs::absolute(output_dir).lexically_normal();
  for (const auto& input : inputs) {
    for (const auto& path : formats::paths_read(input)) {
      const auto inside = path.lexically_relative(output);
      const bool same = inside == ".";
      if (inside.empty() || (!same && !is_name_in_run(*inside.begin()))) continue;
      throw InputError(
          named(output_dir),
          fmt::format("expected another folder, since the run reads '{}', {}which it would {}",
                      input.string(), same ? std::string() : fmt::format("and with it {}, ", inside.string()),
                      same ? "write into" : "remove or overwrite"));
    }
  }
}

}  // namespace vcas::training
