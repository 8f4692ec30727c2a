#pragma once

namespace vcas::ops {

/// What the matrix products of linears read: float32 operands, or operands rounded to bfloat16 (to nearest,
/// ties to even). Sums are float32 either way, and so is everything else: weights, biases, norms, softmax,
/// gradients.
enum class Precision { float32, bfloat16 };

/// Whether products of that precision run on the instructions that they are fast with: AVX-512, and for
/// bfloat16 AVX512-BF16. False where the processor has none, oneDNN's own switch (ONEDNN_MAX_CPU_ISA or
/// DNNL_MAX_CPU_ISA) hides them, or LibTorch lacks the micro-kernel; products are right all the same.
bool is_fast(Precision precision);

}  // namespace vcas::ops
