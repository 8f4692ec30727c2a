#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <vector>

namespace vcas::benchmarks {

/// What a benchmark reads, in seconds.
using Clock = double (*)();

inline double wall_clock() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Processor time of the calling thread: for work on one thread, on a machine that runs other programs too.
inline double thread_clock() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Median seconds of one call of each candidate. The candidates take turns, so that whatever else the machine
/// does falls on all of them alike and ratios between them hold where the times do not.
inline std::vector<double> interleaved_medians(const std::vector<std::function<void()>>& candidates,
                                               double seconds_each, Clock clock = wall_clock) {
  std::vector<std::vector<double>> times(candidates.size());
  for (const auto& candidate : candidates) candidate();
  for (double spent = 0;
       spent < seconds_each * static_cast<double>(candidates.size()) || times[0].size() < 7;) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      const double start = clock();
      candidates[i]();
      times[i].push_back(clock() - start);
      spent += times[i].back();
    }
  }
  std::vector<double> medians;
  for (auto& samples : times) {
    std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2),
                     samples.end());
    medians.push_back(samples[samples.size() / 2]);
  }
  return medians;
}

}  // namespace vcas::benchmarks
