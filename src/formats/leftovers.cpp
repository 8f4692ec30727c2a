#include "formats/leftovers.h"

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

#include "formats/host_name.h"
#include "formats/sync.h"

namespace vcas::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".vcas-tmp";
constexpr std::string_view kAside = "-old";

std::optional<pid_t> process_number(std::string_view digits) {
  pid_t process = 0;
  const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), process);
  if (error != std::errc() || rest != digits.data() + digits.size() || process <= 0) return std::nullopt;
  return process;
}

/// Whether another process of this host may be writing it.
bool is_in_use(const Leftover& leftover) {
  auto name = leftover.path.filename().string();
  if (leftover.aside) name.resize(name.size() - kAside.size());
  const auto end = name.rfind('-');
  if (!std::string_view(name).substr(0, end).ends_with(fmt::format("{}-{}", kMark, host_name())))
    return false;
  const auto process = process_number(std::string_view(name).substr(end + 1));
  return process && *process != ::getpid() && (::kill(*process, 0) == 0 || errno == EPERM);
}

std::vector<Leftover> list_leftovers(const fs::path& folder, const TargetPredicate& is_own) {
  std::vector<Leftover> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (auto leftover = leftover_at(entry.path()); leftover && is_own(leftover->target))
      found.push_back(std::move(*leftover));
  return found;
}

}  // namespace

std::optional<Leftover> leftover_at(const fs::path& path) {
  const auto whole = path.filename().string();
  std::string_view name = whole;
  const bool aside = name.ends_with(kAside);
  if (aside) name.remove_suffix(kAside.size());
  const auto mark = name.rfind(kMark);
  if (!name.starts_with('.') || mark == std::string_view::npos || mark < 2) return std::nullopt;
  const auto writer = name.substr(mark + kMark.size());  // "-HOST-PROCESS"
  const auto last = writer.rfind('-');
  if (!writer.starts_with('-') || last < 2 || !process_number(writer.substr(last + 1))) return std::nullopt;
  return Leftover{path, path.parent_path() / name.substr(1, mark - 1), aside};
}

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

void restore_replaced(const fs::path& folder, const TargetPredicate& is_own) {
  std::error_code ignored;  // what cannot be renamed stays
  for (const auto& leftover : list_leftovers(folder, is_own))
    if (leftover.aside && !fs::exists(fs::symlink_status(leftover.target, ignored)))
      fs::rename(leftover.path, leftover.target, ignored);
}

void sweep_leftovers(const fs::path& folder, const TargetPredicate& is_own) {
  std::error_code ignored;  // what cannot be removed stays: it is in nobody's way
  for (const auto& leftover : list_leftovers(folder, is_own)) fs::remove_all(leftover.path, ignored);
}

void sweep_leftovers_of(const fs::path& file) {
  const auto folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const auto is_file = [&](const fs::path& target) { return target.filename() == file.filename(); };
  std::error_code ignored;
  for (const auto& leftover : list_leftovers(folder, is_file))
    if (!is_in_use(leftover) && fs::is_regular_file(fs::symlink_status(leftover.path, ignored)))
      fs::remove(leftover.path, ignored);
}

}  // namespace vcas::formats
