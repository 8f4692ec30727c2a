#pragma once

#include <cstdint>
#include <vector>

namespace vcas::training {

/// When and at which ratios a probe looks at the gradients.
struct ProbeOptions {
  int64_t probe_steps = 100;  ///< micro-batches from one probe to the next
  int64_t probe_batches = 4;  ///< full-size micro-batches that a probe looks at
  std::vector<double> s = {0.5, 0.7, 0.8, 0.9, 0.95, 0.99};               ///< of SampleA, ascending
  std::vector<double> row_keep_ratio = {0.05, 0.1, 0.2, 0.3, 0.5, 0.75};  ///< of SampleW, ascending
  double reference_s = 0.9;  ///< SampleA under which SampleW's variances are taken; one of s
};

}  // namespace vcas::training
