#pragma once

namespace vcas::ops {

/// What a block applies to each element between the two linears of its feed-forward part.
enum class Activation {
  gelu,       ///< x·Φ(x), Φ the standard normal distribution function
  tanh_gelu,  ///< x/2·(1 + tanh(√(2/π)(x + 0.044715x³)))
  relu,       ///< max(x, 0); its derivative at 0 is 0
  silu,       ///< x·σ(x), σ(x) = 1/(1 + e⁻ˣ)
};

}  // namespace vcas::ops
