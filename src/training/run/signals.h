#pragma once

#include <array>
#include <chrono>
#include <csignal>

#include "vcas/training/run/requests.h"

namespace vcas::training {

/// Names, in the environment of a process, the vcas that started it and passes its own signals on.
inline constexpr const char* kParentVariable = "VCAS_PARENT_PROCESS";

/// One who asks to stop may send a signal twice, or two signals. Far longer than such signals lie apart, and
/// shorter than a second one by a person's hand.
inline constexpr std::chrono::milliseconds kOneRequest{100};

/// While it lives, the first SIGINT, SIGTERM or SIGHUP is only noted, so that the step in hand can be
/// finished and saved; a second one ends the process at once with 128 + signal. Signals within
/// kOneRequest of the first one are the same request. SIGUSR1 asks for a checkpoint. A signal that was
/// ignored when the process began (nohup) stays ignored. What the parent passes on counts as one signal,
/// however often it comes: a terminal or a scheduler signals both. One at a time in a process, signal
/// handlers being the process's.
class RunSignals {
 public:
  RunSignals();
  ~RunSignals();
  RunSignals(const RunSignals&) = delete;
  RunSignals& operator=(const RunSignals&) = delete;

  /// For as long as this lives.
  RunRequests requests() const;

 private:
  static constexpr std::array kStops = {SIGINT, SIGTERM, SIGHUP};

  std::array<struct sigaction, kStops.size()> previous_stops_{};
  struct sigaction previous_save_ {};
};

}  // namespace vcas::training
