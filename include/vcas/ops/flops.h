#pragma once

namespace vcas::ops {

/// Floating point operations (a multiply-add is two) of exact passes over one batch: a function of shapes
/// alone.
struct Flops {
  double forward = 0;
  double backward = 0;

  Flops& operator+=(const Flops& other) {
    forward += other.forward;
    backward += other.backward;
    return *this;
  }
};

}  // namespace vcas::ops
