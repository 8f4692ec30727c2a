#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

namespace vcas::benchmarks {

/// Median seconds of one call of each candidate. The candidates take turns, so that whatever else the machine
/// does falls on all of them alike and ratios between them hold where the times do not.
inline std::vector<double> interleaved_medians(const std::vector<std::function<void()>>& candidates,
                                               double seconds_each) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<double>> times(candidates.size());
  for (const auto& candidate : candidates) candidate();
  for (double spent = 0;
       spent < seconds_each * static_cast<double>(candidates.size()) || times[0].size() < 7;) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      const auto start = Clock::now();
      candidates[i]();
      times[i].push_back(std::chrono::duration<double>(Clock::now() - start).count());
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
