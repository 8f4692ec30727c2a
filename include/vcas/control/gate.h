#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "vcas/control/costs.h"
#include "vcas/sampling/counts.h"
#include "vcas/sampling/layout.h"
#include "vcas/sampling/plan.h"

namespace vcas::control {

/// Parts of a plan that a pass computes exactly because sampling it would not pay.
struct GatedParts {
  std::vector<int64_t> blocks;       ///< whose SampleA keeps what the block above kept
  std::vector<std::string> weights;  ///< whose gradient is over all rows
};

/// Takes out of a plan what costs more than it saves: draws for tiny batches, ratios near 1. What is left is
/// as unbiased as before, and its variance is smaller. A function of plan, batch and costs alone: nothing is
/// timed.
class BenefitGate {
 public:
  /// @param costs by block, or empty. A block without costs is left as the plan says.
  /// @throws c10::Error "benefit gate: expected costs of 6 weights of encoder.0, got 5".
  BenefitGate(sampling::SamplingLayout layout, BlockCosts costs);

  /// False where no block's costs are known.
  bool knows_costs() const;
  /// A block below one of its chain that leaves samples out is never gated: it works on compact rows already,
  /// and its draw alone costs next to nothing.
  /// @param rows by block. @return the plan, and what was taken out of it.
  std::pair<sampling::SamplingPlan, GatedParts> apply(sampling::SamplingPlan plan,
                                                      const std::vector<sampling::BlockRows>& rows) const;
  const BlockCosts& costs() const { return costs_; }

 private:
  sampling::SamplingLayout layout_;
  BlockCosts costs_;
};

}  // namespace vcas::control
