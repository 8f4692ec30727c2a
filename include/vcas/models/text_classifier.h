#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "vcas/models/text_batch.h"
#include "vcas/nn/model.h"
#include "vcas/nn/pass.h"

namespace vcas::models {

/// A model that classifies whole texts.
class TextClassifier : public nn::Model {
 public:
  /// @param batch with labels.
  virtual nn::Pass forward(const TextBatch& batch, const nn::PassOptions& options) = 0;
  /// [N, labels] without dropout; run it without gradients.
  virtual at::Tensor logits(const TextBatch& batch, const ops::ComputeOptions& compute) = 0;
  virtual int64_t label_count() const = 0;
};

}  // namespace vcas::models
