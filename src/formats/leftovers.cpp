#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "formats/atomic_directory.h"
#include "formats/host_name.h"
#include "formats/sync.h"

namespace vcas::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".vcas-tmp";
constexpr std::string_view kAside = "-old";

/// Whether the process that a temporary name carries, "...vcas-tmp-HOST-PROCESS", runs on this host.
bool is_in_use(std::string_view name) {
  const auto own = fmt::format("{}-{}-", kMark, host_name());
  const auto found = name.rfind(own);
  if (found == std::string_view::npos) return false;
  name.remove_prefix(found + own.size());
  pid_t process = 0;
  const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), process);
  if (error != std::errc() || process <= 0 || process == ::getpid()) return false;
  return ::kill(process, 0) == 0 || errno == EPERM;
}

/// The final name of what lies under a temporary one.
fs::path target_of(const fs::path& temporary) {
  const auto name = temporary.filename().string();
  return temporary.parent_path() / name.substr(1, name.rfind(kMark) - 1);
}

void sweep(const fs::path& leftover) {
  std::error_code ignored;  // what cannot be removed stays: it is in nobody's way
  // Two renames that a crash came between: the old folder gets its name back.
  if (leftover.string().ends_with(kAside) && !fs::exists(target_of(leftover))) {
    fs::rename(leftover, target_of(leftover), ignored);
    return;
  }
  fs::remove_all(leftover, ignored);
}

}  // namespace

std::string host_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') return "localhost";
  return host.data();
}

fs::path temporary_sibling(const fs::path& target) {
  return target.parent_path() /
         fmt::format(".{}{}-{}-{}", target.filename().string(), kMark, host_name(), ::getpid());
}

fs::path aside_name(const fs::path& temporary) { return temporary.string() + std::string(kAside); }

void sweep_leftovers(const fs::path& folder) {
  std::vector<fs::path> leftovers;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with('.') && name.find(kMark) != std::string::npos && !is_in_use(name))
      leftovers.push_back(entry.path());
  }
  for (const auto& leftover : leftovers) sweep(leftover);
}

}  // namespace vcas::formats
