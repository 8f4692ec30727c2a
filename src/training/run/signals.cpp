#include "training/run/signals.h"

#include <unistd.h>

namespace vcas::training {
namespace {

// A handler is given nothing but the signal's number, so what it notes can only lie here.
volatile std::sig_atomic_t received_signal = 0;

void note_signal(int signal) {
  if (received_signal != 0) _exit(128 + signal);
  received_signal = signal;
}

}  // namespace

StopSignals::StopSignals() {
  received_signal = 0;
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &previous_interrupt_);
  sigaction(SIGTERM, &action, &previous_terminate_);
}

StopSignals::~StopSignals() {
  sigaction(SIGINT, &previous_interrupt_, nullptr);
  sigaction(SIGTERM, &previous_terminate_, nullptr);
}

int StopSignals::received() const { return received_signal; }

}  // namespace vcas::training
