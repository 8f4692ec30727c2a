#pragma once

#include <functional>

namespace vcas::training {

/// What is asked of a run while it goes on, polled between steps.
struct RunRequests {
  /// The signal that asks to stop after the step in hand, or 0. During an evaluation it is polled between
  /// batches.
  std::function<int()> stop_signal = [] { return 0; };
  /// True once after each time that a checkpoint was asked for.
  std::function<bool()> take_save = [] { return false; };

  bool stops() const { return stop_signal() != 0; }
};

}  // namespace vcas::training
