#include "training/run/signals.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <thread>

namespace vcas::training {
namespace signals_test {

/// Ends a process in which signals were raised: 0 when the run was only asked to stop.
[[noreturn]] void end(const RunSignals& signals) {
  std::_Exit(signals.requests().stop_signal() == SIGTERM ? 0 : 1);
}

TEST(RunSignals, SignalsAtOnceAreOneRequest) {
  const auto twice = [](int second) {
    const RunSignals signals;
    std::raise(SIGTERM);
    std::raise(second);
    end(signals);
  };
  EXPECT_EXIT(twice(SIGTERM), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(twice(SIGHUP), ::testing::ExitedWithCode(0), "");
}

TEST(RunSignals, ALaterSignalEndsTheProcess) {
  const auto again = [] {
    const RunSignals signals;
    std::raise(SIGTERM);
    std::this_thread::sleep_for(kOneRequest);
    std::raise(SIGINT);
    end(signals);
  };
  EXPECT_EXIT(again(), ::testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(RunSignals, EachRunCountsAnew) {
  const auto runs = [] {
    {
      const RunSignals first;
      std::raise(SIGINT);
    }
    std::this_thread::sleep_for(kOneRequest);
    const RunSignals second;
    std::raise(SIGTERM);
    end(second);
  };
  EXPECT_EXIT(runs(), ::testing::ExitedWithCode(0), "");
}

}  // namespace signals_test
}  // namespace vcas::training
