#include "formats/atomic_directory.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "formats/message.h"
#include "formats/sync.h"
#include "vcas/formats/error.h"
#include "vcas/formats/json.h"

namespace vcas::formats {

namespace fs = std::filesystem;

namespace {

/// Syncs every file and folder below; returns the files, sorted, relative to the folder.
std::vector<fs::path> sync_tree(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_symlink() || !(entry.is_regular_file() || entry.is_directory())) {
      throw std::logic_error("AtomicDirectory: expected files and folders only, got " +
                             entry.path().string());
    }
    sync_path(entry.path());
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(folder));
  }
  std::ranges::sort(files);
  return files;
}

std::string manifest(const fs::path& folder, const std::vector<fs::path>& files) {
  nlohmann::json entries = nlohmann::json::object();
  for (const auto& file : files) {
    if (file == kManifestName) continue;
    entries[file.generic_string()] = {{"size", fs::file_size(folder / file)},
                                      {"sha256", sha256_of_file(folder / file)}};
  }
  return nlohmann::json{{"files", entries}}.dump(2) + "\n";
}

[[noreturn]] void cannot_replace(const fs::path& target, int error) {
  throw std::system_error(error, std::generic_category(), "cannot replace " + target.string());
}

/// For a file system without exchange: between the two steps the old folder has another name only.
void exchange_in_steps(const fs::path& from, const fs::path& to) {
  const auto aside = aside_name(from);
  fs::remove_all(aside);
  if (::rename(to.c_str(), aside.c_str()) != 0) cannot_replace(to, errno);
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    fs::rename(aside, to);
    cannot_replace(to, error);
  }
  fs::rename(aside, from);
}

/// Gives `from` the name `to` in one step; what had it before is left under `from`.
void exchange(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return;
  if (errno != EINVAL && errno != ENOSYS) cannot_replace(to, errno);
  exchange_in_steps(from, to);
}

/// A manifest must not lead out of its folder.
bool stays_inside(const fs::path& file) {
  return !file.empty() && file.is_relative() && std::ranges::find(file, fs::path("..")) == file.end();
}

void verify_file(const fs::path& folder, const std::string& name, const JsonObject& expected) {
  if (!stays_inside(name)) {
    throw InputError(expected.source(),
                     fmt::format("expected a file of this folder, got {}", in_quotes(name)));
  }
  const auto path = folder / name;
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) throw InputError(path.string(), fmt::format("cannot read the file: {}", error.message()));
  const auto expected_size = expected.integer("size", 0);
  if (!std::cmp_equal(size, expected_size)) {
    throw InputError(path.string(), fmt::format("expected {} bytes, got {}", expected_size, size));
  }
  const auto expected_hash = expected.string("sha256");
  if (const auto hash = sha256_of_file(path); hash != expected_hash) {
    throw InputError(path.string(),
                     fmt::format("expected SHA-256 {}, got {}", in_quotes(expected_hash), hash));
  }
}

/// The files that a manifest names. @throws InputError when it cannot be read.
std::vector<fs::path> named_files(const fs::path& folder) {
  std::vector<fs::path> files;
  const auto path = folder / kManifestName;
  const auto document = read_json(path);
  for (const auto& [name, ignored] : JsonObject(document, path.string()).object("files").json().items())
    if (stays_inside(name)) files.emplace_back(name);
  return files;
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_symlink() || !entry.is_directory()) files.push_back(entry.path().lexically_relative(folder));
  std::ranges::sort(files);
  return files;
}

/// Removes the folder that was replaced; what somebody else put into it goes to the new one. Where no
/// manifest tells whose a file is, one that the new folder has too was the old one's.
void remove_replaced(const fs::path& old, const fs::path& target) {
  remove_directory(old);
  if (!fs::exists(old)) return;
  for (const auto& file : files_below(old)) {
    if (fs::exists(fs::symlink_status(target / file))) continue;
    fs::create_directories((target / file).parent_path());
    fs::rename(old / file, target / file);
  }
  fs::remove_all(old);
}

/// Whether what lies at a target is this class's to replace: a folder of its own, or one that holds nothing
/// of the names that it writes.
bool is_replaceable(const fs::path& target, const fs::path& temporary) {
  if (fs::is_symlink(target) || !fs::is_directory(target)) return false;
  if (fs::exists(target / kManifestName)) return true;
  return std::ranges::none_of(files_below(target),
                              [&](const auto& file) { return fs::exists(temporary / file); });
}

fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

AtomicDirectory::AtomicDirectory(const fs::path& target)
    : target_(without_trailing_slash(target)), temporary_(temporary_sibling(target_)) {
  fs::remove_all(temporary_);
  fs::create_directories(temporary_);
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;  // a destructor has nobody to tell
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void AtomicDirectory::commit() {
  if (committed_) throw std::logic_error("AtomicDirectory: committed twice");
  const auto files = sync_tree(temporary_);
  write_file_atomically(temporary_ / kManifestName, manifest(temporary_, files));
  const bool replaces = fs::exists(fs::symlink_status(target_));
  if (replaces) {
    if (!is_replaceable(target_, temporary_)) cannot_replace(target_, EEXIST);
    exchange(temporary_, target_);
  } else {
    fs::rename(temporary_, target_);
  }
  committed_ = true;
  sync_path(target_.parent_path());
  if (replaces) remove_replaced(temporary_, target_);
}

void remove_directory(const fs::path& folder) {
  if (fs::is_symlink(folder)) return;
  std::vector<fs::path> files;
  try {
    files = named_files(folder);
  } catch (const InputError&) {
    return;
  }
  // The manifest goes last, so that what a crash leaves is known as a folder that is not whole.
  files.emplace_back(kManifestName);
  for (const auto& file : files)
    if (!fs::is_directory(folder / file)) fs::remove(folder / file);
  std::error_code not_empty;
  for (const auto& file : files)
    for (auto place = file.parent_path(); !place.empty(); place = place.parent_path())
      fs::remove(folder / place, not_empty);
  fs::remove(folder, not_empty);
}

bool is_empty_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(fs::symlink_status(path, error)) && fs::is_empty(path, error);
}

std::optional<fs::path> file_beside_manifest(const fs::path& folder) {
  std::vector<fs::path> named;
  try {
    named = named_files(folder);
  } catch (const InputError&) {
    return std::nullopt;
  }
  named.emplace_back(kManifestName);
  for (auto& file : files_below(folder))
    if (std::ranges::find(named, file) == named.end()) return std::move(file);
  return std::nullopt;
}

std::optional<std::string> verify_directory(const fs::path& folder) {
  try {
    const auto path = folder / kManifestName;
    const auto document = read_json(path);
    const auto files = JsonObject(document, path.string()).object("files");
    for (const auto& [name, ignored] : files.json().items()) verify_file(folder, name, files.object(name));
  } catch (const InputError& error) {
    return error.what();
  }
  return std::nullopt;
}

}  // namespace vcas::formats
