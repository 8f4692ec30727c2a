#pragma once

#include <ATen/ATen.h>

namespace vcas::test {

/// Values in [-1, 1] without a pattern that a test could fall for; another phase gives others.
inline at::Tensor wave(at::IntArrayRef shape, double phase, at::ScalarType dtype = at::kFloat) {
  return at::sin(at::arange(c10::multiply_integers(shape), at::kDouble) * 0.37 + phase).view(shape).to(dtype);
}

}  // namespace vcas::test
