#pragma once

#include <ATen/ATen.h>

#include <cstdio>
#include <functional>
#include <string>

#include "arguments.h"
#include "interleaved.h"

namespace vcas::benchmarks {

/// A kernel and what PyTorch offers for the same.
struct Case {
  std::string name;
  std::function<void()> ours;
  std::function<void()> torch;
  double floats;  ///< that ours reads and writes
};

/// Prints the medians of both, taking turns with at::copy_ of as many bytes.
inline void report(const Case& measured, const Arguments& arguments) {
  const auto floats = static_cast<int64_t>(measured.floats / 2);
  const at::Tensor from = at::randn({floats}), to = at::empty({floats});
  const auto seconds =
      interleaved_medians({measured.ours, measured.torch, [&] { to.copy_(from); }}, arguments.seconds_each);
  if (arguments.json) {
    std::printf("{\"name\": \"%s\", \"floats\": %.0f, \"ours\": %.9g, \"torch\": %.9g, \"copy\": %.9g}\n",
                measured.name.c_str(), measured.floats, seconds[0], seconds[1], seconds[2]);
    return;
  }
  std::printf("%-34s ours %7.1f us  torch %8.1f us  ratio %5.2f  %5.1f GB/s  copy %5.1f GB/s\n",
              measured.name.c_str(), 1e6 * seconds[0], 1e6 * seconds[1], seconds[1] / seconds[0],
              4e-9 * measured.floats / seconds[0], 4e-9 * measured.floats / seconds[2]);
}

}  // namespace vcas::benchmarks
