#include "training/run/signals.h"

#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <string_view>

namespace vcas::training {
namespace {

// A handler is given nothing but the signal, so what it notes can only lie here.
std::atomic<int> stop_signal = 0;
std::atomic<bool> own_stop_seen = false;  // one that the parent did not pass on
std::atomic<bool> save_asked = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
pid_t parent = 0;

void note_stop(int signal, siginfo_t* info, void* /*context*/) {
  const bool passed_on = parent != 0 && info->si_code == SI_USER && info->si_pid == parent;
  if (!passed_on && own_stop_seen.exchange(true)) _exit(128 + signal);
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
  own_stop_seen = save_asked = false;
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
