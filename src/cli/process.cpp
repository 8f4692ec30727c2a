#include "cli/process.h"

#include <c10/util/Exception.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <new>
#include <string_view>

namespace vcas::cli {
namespace {

constexpr std::string_view kLessMemory =
    "a smaller --per_device_train_batch_size with more --gradient_accumulation_steps, a smaller "
    "--max_seq_length or "
    "--gradient_checkpointing needs less";

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

/// PyTorch's allocator says so in words; c10 has no type of its own for it on a CPU.
bool is_out_of_memory(std::string_view message) {
  return message.find("can't allocate memory") != std::string_view::npos ||
         message.find("not enough memory") != std::string_view::npos;
}

}  // namespace

void prepare_streams_and_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGUSR1, SIG_IGN);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    // The lowest number that is free is this one. Read-only: a result that is written to it is an error.
    if (::open("/dev/null", O_RDONLY) != stream) return;
  }
}

std::string message_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr)
    return fmt::format("out of memory; {}", kLessMemory);
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  if (torch_error == nullptr) return error.what();
  const std::string_view message = torch_error->what_without_backtrace();
  if (is_out_of_memory(message)) return fmt::format("out of memory; {}", kLessMemory);
  return first_line(message);
}

}  // namespace vcas::cli
