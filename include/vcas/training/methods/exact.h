#pragma once

#include <string_view>

#include "vcas/training/loop/method.h"

namespace vcas::training {

/// Every sample and every row.
class ExactMethod final : public Method {
 public:
  std::string_view name() const override { return "exact"; }
  MicroBatchGradient backward(MicroBatch& batch, double loss_scale) override;
};

}  // namespace vcas::training
