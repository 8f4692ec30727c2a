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

bool is_ignored(int signal) {
  struct sigaction present {};
  return ::sigaction(signal, nullptr, &present) == 0 && present.sa_handler == SIG_IGN;
}

/// What ends the child when its parent is killed: a signal that it obeys, saving first, or the one that
/// nobody can ignore.
int signal_of_parents_death() {
  for (const int signal : {SIGTERM, SIGHUP, SIGINT})
    if (!is_ignored(signal)) return signal;
  return SIGKILL;
}

/// The parent's handlers mean nothing in the child: until its own stand, a stop ends it. It has nothing to
/// save before.
void reset_handlers() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    if (!is_ignored(signal)) std::signal(signal, SIG_DFL);
  std::signal(SIGUSR1, SIG_IGN);
}

/// What runs between fork and exec: system calls only. Standard output goes nowhere, and the child is told to
/// stop when its parent is killed.
/// @param mask of signals, as before the fork.
[[noreturn]] void become_self(pid_t parent, const sigset_t& mask, char* const* arguments,
                              char* const* environment) {
  ::prctl(PR_SET_PDEATHSIG, signal_of_parents_death());
  reset_handlers();
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
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
  // A signal that comes to the child while it has the parent's handlers would be lost.
  sigset_t all, mask;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &mask);
  const pid_t child = ::fork();
  if (child == 0) become_self(parent, mask, argument_pointers.data(), environment_pointers.data());
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  if (child < 0) throw std::system_error(error, std::generic_category(), "cannot start a run");
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
