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
#include <string_view>
#include <system_error>
#include <utility>

#include "formats/atomic_directory.h"
#include "formats/file.h"
#include "formats/host_name.h"
#include "formats/tensorboard.h"
#include "formats/warning.h"
#include "training/run/checkpoint.h"
#include "vcas/formats/error.h"

namespace vcas::training {
namespace {

namespace fs = std::filesystem;
using formats::Descriptor;
using formats::InputError;

constexpr const char* kLockFile = ".vcas.lock";
/// Every run writes it from its first moment on; what it writes at its end is told from others' files by it.
constexpr std::string_view kFirstFile = "metrics.jsonl";
constexpr std::string_view kModelFiles[] = {"model.safetensors", "config.json"};
constexpr std::string_view kRunFiles[] = {
    kFirstFile,     "evaluations.jsonl", "summary.json", kModelFiles[0],
    kModelFiles[1], "cost_table.json",   "probe.jsonl",  "text_classification.json"};

std::string named(const fs::path& output_dir) { return "output_dir " + output_dir.string(); }

/// Whether a run gives this name to something in its folder.
bool is_name_of_run(const fs::path& name) {
  const auto text = name.string();
  return std::ranges::find(kRunFiles, text) != std::end(kRunFiles) || checkpoint_step(name) ||
         (text.starts_with("events.out.tfevents.") && text.ends_with(formats::kEventsSuffix));
}

std::vector<fs::path> files_of_run(const fs::path& output_dir) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(output_dir)) {
    const auto name = entry.path().filename();
    const bool checkpoint = checkpoint_step(name) && is_checkpoint(entry.path());
    const bool file = !checkpoint_step(name) && is_name_of_run(name) && !entry.is_directory();
    if (checkpoint || file) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

[[noreturn]] void cannot_use(const fs::path& output_dir, int error) {
  constexpr int kUsersOwn[] = {EACCES, EPERM, EROFS, ENOTDIR, ENAMETOOLONG, ELOOP, ENOENT, EEXIST};
  if (std::ranges::find(kUsersOwn, error) != std::end(kUsersOwn)) {
    throw InputError(named(output_dir), fmt::format("expected a folder that can be made and written to: {}",
                                                    std::strerror(error)));
  }
  throw std::system_error(error, std::generic_category(), "cannot write to " + output_dir.string());
}

MadeFolders make_folders(const fs::path& folder) {
  if (fs::exists(folder) && !fs::is_directory(folder))
    throw InputError(named(folder), "expected a folder, got a file");
  std::error_code error;
  MadeFolders made;
  for (auto place = fs::absolute(folder).lexically_normal();
       place.has_relative_path() && !fs::exists(place, error); place = place.parent_path()) {
    if (place.has_filename()) made.innermost_first.push_back(place);
  }
  fs::create_directories(folder, error);
  if (error) cannot_use(folder, error.value());
  return made;
}

bool is_still_at(const Descriptor& file, const fs::path& path) {
  struct stat held {
  }, present{};
  return ::fstat(file.get(), &held) == 0 && ::stat(path.c_str(), &present) == 0 &&
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

Descriptor hold(const fs::path& folder) {
  const auto path = folder / kLockFile;
  for (;;) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!file) cannot_use(folder, errno);
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
    const auto text = fmt::format("process {} on {}", ::getpid(), formats::host_name());
    if (::ftruncate(file.get(), 0) != 0 || ::write(file.get(), text.data(), text.size()) < 0) {
      // A full disk: the lock holds all the same, and a refusal names nobody.
    }
    return file;
  }
}

}  // namespace

OutputDirectory::OutputDirectory(fs::path path)
    : path_(std::move(path)), made_(make_folders(path_)), lock_(hold(path_)) {
  formats::sweep_leftovers(path_);
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
  throw InputError(named(path_),
                   "expected a folder without a run in it, got one with " +
                       files.front().filename().string() +
                       "; continue that run with --resume_from_checkpoint auto, replace it with "
                       "--overwrite_output_dir, or choose another folder");
}

void OutputDirectory::require_nothing_foreign() const {
  const auto refuse = [&](const std::string& name) {
    throw InputError(named(path_),
                     fmt::format("expected a folder without files that no run wrote and that this "
                                 "run would overwrite, got one with {}; choose another folder",
                                 name));
  };
  const bool has_run = fs::exists(path_ / kFirstFile);
  for (const auto name : kModelFiles)
    if (!has_run && fs::exists(path_ / name)) refuse(std::string(name));
  for (const auto& entry : fs::directory_iterator(path_))
    if (checkpoint_step(entry.path()) && !is_checkpoint(entry.path()))
      refuse(entry.path().filename().string());
}

void OutputDirectory::remove_previous_run() const {
  for (const auto& file : files_of_run(path_)) {
    if (fs::is_directory(file) && !fs::is_symlink(file))
      formats::remove_directory(file);
    else
      fs::remove(file);
  }
}

void require_inputs_stay(const fs::path& output_dir, const std::vector<fs::path>& inputs) {
  const auto output = fs::weakly_canonical(output_dir);
  for (const auto& input : inputs) {
    if (!fs::exists(input)) continue;
    const auto inside = fs::canonical(input).lexically_relative(output);
    const bool same = inside == ".";
    if (inside.empty() || (!same && !is_name_of_run(*inside.begin()))) continue;
    throw InputError(named(output_dir),
                     fmt::format("expected another folder, since the run reads '{}', which it would {}",
                                 input.string(), same ? "write into" : "remove or overwrite"));
  }
}

}  // namespace vcas::training
