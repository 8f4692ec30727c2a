#include "training/run/signals.h"

#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string_view>

namespace vcas::training {
namespace {

// A handler is given nothing but the signal, so what it notes can only lie here.
std::atomic<int> stop_signal = 0;
std::atomic<int64_t> own_stop_at = 0;  // the first that the parent did not pass on, in milliseconds
std::atomic<bool> save_asked = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<int64_t>::is_always_lock_free &&
              std::atomic<bool>::is_always_lock_free);
pid_t parent = 0;

/// Never 0.
int64_t now_in_milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // a signal handler may call it
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000 + 1;
}

/// Whether this is another request than the first one: `timeout` signals a process and then its group, a
/// service manager SIGTERM and then SIGHUP, a closed terminal SIGHUP by its kernel and by its shell.
bool is_second_stop() {
  const int64_t now = now_in_milliseconds();
  int64_t first = 0;
  return !own_stop_at.compare_exchange_strong(first, now) && now - first >= kOneRequest.count();
}

void note_stop(int signal, siginfo_t* info, void* /*context*/) {
  const bool passed_on = parent != 0 && info->si_code == SI_USER && info->si_pid == parent;
  if (!passed_on && is_second_stop()) _exit(128 + signal);
  if (stop_signal == 0) stop_signal = signal;
}

void note_save(int /*signal*/) { save_asked = true; }

pid_t parent_in_environment() {
  const char* text = std::getenv(kParentVariable);
  if (text == nullptr) return 0;
  pid_t process = 0;
  const std::string_view digits = text;
  std::from_chars(digits.data(), digits.data() + digits.size(), process);
  // The variable may have been inherited by a grandchild.
  return process == ::getppid() ? process : 0;
}

}  // namespace

RunSignals::RunSignals() {
  stop_signal = 0;
  own_stop_at = 0;
  save_asked = false;
  parent = parent_in_environment();
  struct sigaction stop {};
  stop.sa_sigaction = note_stop;
  stop.sa_flags = SA_RESTART | SA_SIGINFO;
  sigemptyset(&stop.sa_mask);
  for (size_t i = 0; i < kStops.size(); ++i) {
    sigaction(kStops[i], nullptr, &previous_stops_[i]);
    const bool ignored =
        (previous_stops_[i].sa_flags & SA_SIGINFO) == 0 && previous_stops_[i].sa_handler == SIG_IGN;
    if (!ignored) sigaction(kStops[i], &stop, nullptr);
  }
  struct sigaction save {};
  save.sa_handler = note_save;
  save.sa_flags = SA_RESTART;
  sigemptyset(&save.sa_mask);
  sigaction(SIGUSR1, &save, &previous_save_);
}

RunSignals::~RunSignals() {
  for (size_t i = 0; i < kStops.size(); ++i) sigaction(kStops[i], &previous_stops_[i], nullptr);
  sigaction(SIGUSR1, &previous_save_, nullptr);
}

RunRequests RunSignals::requests() const {
  return {[] { return stop_signal.load(); }, [] { return save_asked.exchange(false); }};
}

}  // namespace vcas::training
