#include "training/run/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "formats/console.h"

namespace vcas::training {
namespace {

constexpr std::chrono::milliseconds kBarInterval{100};
constexpr std::chrono::seconds kLineInterval{10};
constexpr int64_t kBarWidth = 16;
constexpr size_t kDefaultColumns = 80;

size_t terminal_columns(std::FILE* stream) {
  winsize size{};
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefaultColumns;
  return size.ws_col;
}

/// A terminal on which a line can be drawn again.
bool can_redraw(std::FILE* stream) {
  const char* kind = std::getenv("TERM");
  const bool dumb = kind == nullptr || *kind == '\0' || std::string_view(kind) == "dumb";
  return isatty(fileno(stream)) != 0 && !dumb;
}

}  // namespace

std::string format_duration(double seconds) {
  const auto total = static_cast<int64_t>(std::llround(seconds));
  const int64_t hours = total / 3600, minutes = total / 60 % 60, rest = total % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, rest)
                   : fmt::format("{}:{:02}", minutes, rest);
}

Progress::Progress(int64_t total_steps, int64_t first_step, std::FILE* stream)
    : total_steps_(total_steps), first_step_(first_step), stream_(stream), terminal_(can_redraw(stream)) {}

Progress::~Progress() {
  if (bar_drawn_) formats::show("\n", stream_);
}

void Progress::show(const ProgressStep& step) {
  // A running mean over about 20 steps: the remaining time follows a change of speed without jumping about.
  const double weight = step.step - first_step_ <= 1 ? 1.0 : 0.05;
  mean_step_seconds_ += weight * (step.step_seconds - mean_step_seconds_);

  const auto now = Clock::now();
  const bool last = step.step == total_steps_;
  if (!last &&
      now - last_shown_ < (terminal_ ? Clock::duration(kBarInterval) : Clock::duration(kLineInterval))) {
    return;
  }
  last_shown_ = now;
  if (terminal_) {
    draw_bar(step);
  } else {
    formats::show(fmt::format("{}  {} left\n", describe(step), remaining_time(step)), stream_);
  }
}

void Progress::message(std::string_view text) {
  clear_bar();
  formats::show(fmt::format("{}\n", text), stream_);
}

std::string Progress::describe(const ProgressStep& step) const {
  const std::string kept =
      step.sample_keep_ratio ? fmt::format("  keep {:.0f} %", 100 * *step.sample_keep_ratio) : std::string();
  return fmt::format("step {}/{}  epoch {:.2f}  loss {:.4f}{}  {:.0f} ms/step", step.step, total_steps_,
                     step.epoch, step.loss, kept, 1000 * mean_step_seconds_);
}

std::string Progress::remaining_time(const ProgressStep& step) const {
  return format_duration(static_cast<double>(total_steps_ - step.step) * mean_step_seconds_);
}

void Progress::draw_bar(const ProgressStep& step) {
  const int64_t total = std::max<int64_t>(1, total_steps_);
  const int64_t filled = kBarWidth * step.step / total;
  std::string line = fmt::format(
      "{:3}% [{}{}] {} left  {}", 100 * step.step / total, std::string(static_cast<size_t>(filled), '#'),
      std::string(static_cast<size_t>(kBarWidth - filled), '.'), remaining_time(step), describe(step));
  // A line longer than the terminal would wrap, and could then not be redrawn in place.
  line.resize(std::min(line.size(), terminal_columns(stream_) - 1));
  formats::show(fmt::format("\r\033[K{}", line), stream_);
  bar_drawn_ = true;
}

void Progress::clear_bar() {
  if (!bar_drawn_) return;
  formats::show("\r\033[K", stream_);
  bar_drawn_ = false;
}

}  // namespace vcas::training
