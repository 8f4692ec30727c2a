#pragma once

namespace vcas::ops {

/// What the matrix products of linears read: float32 operands, or operands rounded to bfloat16 (to nearest,
/// ties to even). Sums are float32 either way, and so is everything else: weights, biases, norms, softmax,
/// gradients.
enum class Precision { float32, bfloat16 };

/// Whether this processor multiplies in that precision faster than in float32; always true of float32 itself.
bool is_fast(Precision precision);

}  // namespace vcas::ops
