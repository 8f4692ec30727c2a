#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace vcas::nn {

/// A packed micro-batch: the rows of all its examples one after the other, no padding. Tasks derive from it
/// what their model reads.
struct Batch {
  virtual ~Batch() = default;

  std::vector<int64_t> examples;  ///< [N] index of each example in its dataset
  at::Tensor offsets;             ///< [N+1] int64 CPU: example i owns rows offsets[i]..offsets[i+1]-1
  /// [N] factor of each example's loss, for importance-sampled examples. Empty: all 1.
  std::vector<double> weights = {};
  /// What the sum of weighted losses is divided by, such as the number of tokens that have a label. Nothing:
  /// N.
  std::optional<double> divisor = std::nullopt;

  int64_t size() const { return offsets.numel() - 1; }
  /// [N] float64, or undefined where all are 1.
  at::Tensor sample_weights() const;

 protected:
  Batch() = default;
  Batch(const Batch&) = default;
  Batch& operator=(const Batch&) = default;
  Batch(Batch&&) = default;
  Batch& operator=(Batch&&) = default;
};

}  // namespace vcas::nn
