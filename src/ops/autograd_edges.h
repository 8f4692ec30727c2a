#pragma once

#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <initializer_list>
#include <optional>

#include "vcas/ops/precision.h"

namespace vcas::ops {

/// Asks a node which gradients are wanted, argument by argument. AutogradContext numbers only the tensors
/// that were given; an absent optional one has no number.
class GradientEdges {
 public:
  explicit GradientEdges(const torch::autograd::AutogradContext& context) : context_(context) {}

  bool next(bool present = true) { return present && context_.needs_input_grad(edge_++); }

 private:
  const torch::autograd::AutogradContext& context_;
  size_t edge_ = 0;
};

/// Presence of optional arguments as bits, for AutogradContext::saved_data.
inline int64_t presence_bits(std::initializer_list<bool> present) {
  int64_t bits = 0, bit = 0;
  for (const bool p : present) bits |= int64_t{p} << bit++;
  return bits;
}

/// A schema's flag as the precision that it stands for.
inline Precision precision_of(bool bf16) { return bf16 ? Precision::bfloat16 : Precision::float32; }

/// An undefined tensor as an absent argument of an operator.
inline std::optional<at::Tensor> optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

}  // namespace vcas::ops
