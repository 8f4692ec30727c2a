#include "cli/held_folders.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "formats/console.h"
#include "formats/descriptor.h"
#include "training/run/output_directory.h"

namespace vcas::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLongestWait{60};
constexpr std::chrono::milliseconds kLookInterval{50};

bool is_held(const fs::path& folder) {
  const formats::Descriptor lock(::open((folder / training::kLockFile).c_str(), O_RDONLY | O_CLOEXEC));
  return lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace

void wait_until_free(const std::vector<fs::path>& folders, const training::RunRequests& requests) {
  const auto end = std::chrono::steady_clock::now() + kLongestWait;
  bool said = false;
  for (;;) {
    const auto held = std::ranges::find_if(folders, is_held);
    if (held == folders.end() || requests.stops() || std::chrono::steady_clock::now() > end) return;
    if (!said) formats::say("waiting for another process that writes to " + held->string());
    said = true;
    std::this_thread::sleep_for(kLookInterval);
  }
}

}  // namespace vcas::cli
