#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "vcas/ops/precision.h"

namespace vcas::ops {

/// A linear of a block, as its weight gradient sees it.
struct WeightGradientShape {
  int64_t outputs;
  int64_t inputs;
  Precision precision;
  bool input_norms_known;  ///< false: computed for each draw
};

/// The weight gradient of a linear as a block's backward pass computes it, on random numbers: what
/// calibration times.
class WeightGradientTrial {
 public:
  /// @param rows that arrive.
  WeightGradientTrial(const WeightGradientShape& shape, int64_t rows);

  /// @param kept rows that SampleW keeps; all of them: exact, without a draw.
  void run(int64_t kept) const;

 private:
  WeightGradientShape shape_;
  at::Tensor gradient_, input_, result_;
  std::vector<double> gradient_norms_, input_norms_;
};

/// What leaving samples out adds to a block's backward pass: the draw, the lists of kept rows, and their
/// gradient put back among rows of zeros.
class CompactionTrial {
 public:
  /// @param samples of equal length. @param rows of all of them. @param hidden columns.
  CompactionTrial(int64_t samples, int64_t rows, int64_t hidden);

  /// Keeps half of the samples.
  void run() const;

 private:
  at::Tensor norms_, offsets_, compact_;
  int64_t rows_;
};

}  // namespace vcas::ops
