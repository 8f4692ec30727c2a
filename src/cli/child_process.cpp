#include "cli/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace vcas::cli {
namespace {

constexpr const char* kSelf = "/proc/self/exe";

void require(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

/// Standard output goes nowhere.
class QuietActions {
 public:
  QuietActions() {
    require(posix_spawn_file_actions_init(&actions_), "posix_spawn_file_actions_init");
    require(posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0),
            "/dev/null");
  }
  ~QuietActions() { posix_spawn_file_actions_destroy(&actions_); }
  QuietActions(const QuietActions&) = delete;
  QuietActions& operator=(const QuietActions&) = delete;

  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

pid_t start(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "vcas");
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const QuietActions actions;
  pid_t child = 0;
  require(posix_spawn(&child, kSelf, actions.get(), nullptr, pointers.data(), environ), kSelf);
  return child;
}

}  // namespace

int run_self(const std::vector<std::string>& arguments, const std::function<int()>& stop_signal) {
  const pid_t child = start(arguments);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "waitpid");
    if (const int signal = stop_signal()) kill(child, signal);
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace vcas::cli
