#pragma once

#include <csignal>

namespace vcas::training {

/// While it lives, the first SIGINT or SIGTERM is only noted, so that the step in hand can be finished and
/// saved; a second one ends the process at once with 128 + signal. One at a time in a process, signal
/// handlers being the process's.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that came, or 0.
  int received() const;

 private:
  struct sigaction previous_interrupt_ {};
  struct sigaction previous_terminate_ {};
};

}  // namespace vcas::training
