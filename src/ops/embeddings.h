#pragma once

#include <ATen/core/Tensor.h>

#include "vcas/ops/dropout.h"

namespace vcas::ops {

/// Which row of each table a row of the batch takes: [R] int64 each.
struct EmbeddingIndices {
  at::Tensor word, position, token_type;
};

/// H: hidden size. The gradient of `word` is sparse COO, coalesced or not, the others are dense.
struct EmbeddingParameters {
  at::Tensor word;         ///< [vocabulary, H]
  at::Tensor position;     ///< [positions, H]
  at::Tensor token_type;   ///< [types, H]
  at::Tensor norm_weight;  ///< [H]
  at::Tensor norm_bias;    ///< [H]
};

struct EmbeddingOptions {
  double layer_norm_eps = 1e-12;
  double dropout = 0;
  Implementation implementation = Implementation::automatic;
};

/// dropout(LayerNorm(word + position + token type)) on packed rows, differentiable. @return [R, H].
/// @param rng as make_rng_tensor() makes it.
/// @throws c10::Error naming an index that its table does not have.
at::Tensor embeddings(const EmbeddingIndices& indices, const EmbeddingParameters& parameters,
                      const at::Tensor& rng, const EmbeddingOptions& options);

}  // namespace vcas::ops
