#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace vcas::training {

/// What is shown of a step.
struct ProgressStep {
  int64_t step = 0;  ///< steps done
  double epoch = 0;
  double loss = 0;
  double step_seconds = 0;
  std::optional<double> sample_keep_ratio;  ///< mean rho over the blocks, when the method samples
};

/// Progress on stderr: a bar that is redrawn on a terminal, and elsewhere, or where TERM is dumb, a plain
/// line about every ten seconds, with loss, step time and remaining time. A narrow terminal loses the last of
/// it, never the remaining time. stdout stays free for results.
class Progress {
 public:
  /// @param stream where to write; a bar is drawn when it is a terminal.
  Progress(int64_t total_steps, int64_t first_step, std::FILE* stream = stderr);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(const ProgressStep& step);
  /// A whole line of its own, above the bar.
  void message(std::string_view text);

 private:
  using Clock = std::chrono::steady_clock;

  std::string describe(const ProgressStep& step) const;
  std::string remaining_time(const ProgressStep& step) const;
  void draw_bar(const ProgressStep& step);
  void clear_bar();

  int64_t total_steps_;
  int64_t first_step_;
  std::FILE* stream_;
  bool terminal_;
  bool bar_drawn_ = false;
  double mean_step_seconds_ = 0;
  Clock::time_point last_shown_{};
};

/// "1:02:03" or "2:03". @param seconds non-negative.
std::string format_duration(double seconds);

}  // namespace vcas::training
