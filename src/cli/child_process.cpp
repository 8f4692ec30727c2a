#include "cli/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>

#include "training/run/signals.h"

namespace vcas::cli {
namespace {

constexpr const char* kSelf = "/proc/self/exe";
constexpr int kCannotStart = 127;
constexpr std::chrono::milliseconds kPollInterval{20};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// This process's environment, and whose signals the child is to take as passed on.
std::vector<std::string> environment_of_child() {
  const auto own = fmt::format("{}=", training::kParentVariable);
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view(*entry).starts_with(own)) result.emplace_back(*entry);
  result.push_back(own + std::to_string(::getpid()));
  return result;
}

/// What runs between fork and exec: system calls only. Standard output goes nowhere, and the child is told to
/// stop when its parent is killed.
[[noreturn]] void become_self(pid_t parent, char* const* arguments, char* const* environment) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(128 + SIGTERM);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere < 0 || ::dup2(nowhere, STDOUT_FILENO) < 0) ::_exit(kCannotStart);
  ::execve(kSelf, arguments, environment);
  ::_exit(kCannotStart);
}

pid_t start(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "vcas");
  auto environment = environment_of_child();
  const auto argument_pointers = pointers_to(arguments), environment_pointers = pointers_to(environment);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "cannot start a run");
  if (child == 0) become_self(parent, argument_pointers.data(), environment_pointers.data());
  return child;
}

/// @return exit status of a child that has ended; nothing while it runs.
std::optional<int> exit_status(pid_t child) {
  int status = 0;
  const pid_t ended = ::waitpid(child, &status, WNOHANG);
  if (ended < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "waitpid");
  if (ended != child) return std::nullopt;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int run_self(const std::vector<std::string>& arguments, const training::RunRequests& requests) {
  const pid_t child = start(arguments);
  bool told = false;
  for (;;) {
    if (const auto status = exit_status(child)) return *status;
    if (!told && requests.stops()) {
      ::kill(child, requests.stop_signal());
      told = true;
    }
    if (requests.take_save()) ::kill(child, SIGUSR1);
    std::this_thread::sleep_for(kPollInterval);
  }
}

}  // namespace vcas::cli
