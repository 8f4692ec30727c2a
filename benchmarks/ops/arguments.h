#pragma once

#include <ATen/Parallel.h>

#include <cstdlib>
#include <string_view>

namespace vcas::benchmarks {

/// Command line of every program here: [threads] [seconds per candidate] [--json].
struct Arguments {
  double seconds_each;
  bool json = false;  ///< a JSON object a line in place of columns
};

/// Also sets the number of threads.
inline Arguments read_arguments(int argc, char** argv, double seconds_each) {
  if (argc > 1) at::set_num_threads(std::atoi(argv[1]));
  return {argc > 2 ? std::atof(argv[2]) : seconds_each, argc > 3 && std::string_view(argv[3]) == "--json"};
}

}  // namespace vcas::benchmarks
