#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vcas/sampling/plan.h"
#include "vcas/sampling/stream.h"

/// Sampling on plain numbers, for CPU kernels and for the controller: a call costs microseconds and touches
/// no tensor. Same results as inclusion.h and draw.h.
namespace vcas::sampling {

/// Inclusion probabilities as in inclusion.h, into `probabilities` (as long as `weights`). O(n) a pass, few
/// passes.
/// @throws c10::Error as there.
void inclusion_probabilities(std::span<const double> weights, int64_t count, std::span<double> probabilities);

/// The kept entries of a draw, ascending, without unused slots.
struct HostDraw {
  std::vector<int64_t> indices;
  std::vector<double> scales;  ///< 1/p of each kept entry; 0 or NaN as in Draw
};

/// A draw as in draw.h. fixed: exactly `count` entries.
HostDraw draw(std::span<const double> weights, int64_t count, DrawMethod method, const StreamKey& stream);

}  // namespace vcas::sampling
