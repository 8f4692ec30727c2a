#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "vcas/sampling/layout.h"
#include "vcas/sampling/plan.h"
#include "vcas/training/loop/method.h"

namespace vcas::training {

struct UpperBoundOptions {
  double keep_ratio = 1.0 / 3;  ///< of the samples of a batch
};

/// Importance sampling by an upper bound of the gradient norm: a sample goes backward with probability
/// proportional to the norm of its loss's gradient at the outputs, and what goes backward is divided by that
/// probability. Unbiased.
/// Source: Katharopoulos and Fleuret, Not All Samples Are Created Equal (2018).
class UpperBoundSampling final : public Method {
 public:
  /// @param layout of the model. @throws c10::Error for a ratio outside (0, 1].
  UpperBoundSampling(const UpperBoundOptions& options, sampling::DrawMethod draw_method,
                     sampling::SamplingLayout layout, uint64_t seed);

  std::string_view name() const override { return "ub"; }
  MicroBatchGradient backward(MicroBatch& batch, double loss_scale) override;
  std::optional<SamplingStatus> status() const override { return status_; }

 private:
  UpperBoundOptions options_;
  sampling::DrawMethod draw_method_;
  sampling::SamplingLayout layout_;
  uint64_t seed_;
  std::optional<SamplingStatus> status_;
};

}  // namespace vcas::training
