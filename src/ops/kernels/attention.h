#pragma once

#include <cstdint>

#include "ops/kernels/dropout.h"
#include "ops/kernels/workspace.h"

namespace vcas::ops::kernels {

/// Softmax attention inside each sample of a packed batch:
/// ctx = dropout(softmax(q kᵀ / √d)) v for each head, over the sample's own rows; head a owns columns [a·d,
/// (a+1)·d).
struct AttentionShape {
  const int64_t* offsets =
      nullptr;  ///< [samples + 1]; sample i owns rows offsets[i] .. offsets[i+1]-1, at least one
  int64_t samples = 0;
  int64_t heads = 1;
  int64_t head_size = 1;  ///< d
  bool causal = false;    ///< a query sees the keys up to its own position
  /// [Q] rows of the batch that are queries, ascending; null: every row is one. Everything "a query row" then
  /// has Q rows instead of R.
  const int64_t* query_rows = nullptr;
  /// [samples + 1], read with query_rows: sample i owns query rows query_offsets[i] .. query_offsets[i+1]-1,
  /// maybe none.
  const int64_t* query_offsets = nullptr;
  /// Column of the mask: head << 18 | key position; row: mask_first_rows[i] + the query's position.
  DropoutMask dropout{};
  /// [samples] where these are some of a larger batch: each one's first row there; null: offsets.
  const int64_t* mask_first_rows = nullptr;
};

/// Row strides in floats; q, k and v may be slices of one [R x 3H] buffer.
struct AttentionInputs {
  const float* q = nullptr;  ///< a query row: [R x H] or [Q x H]
  int64_t q_stride = 0;
  const float* k = nullptr;  ///< [R x H]
  const float* v = nullptr;  ///< [R x H]
  int64_t kv_stride = 0;
};

/// @param ctx a query row x H, row stride ctx_stride.
/// @param logsumexp a query row x heads, contiguous: log Σ_j exp(q·k_j/√d), what the backward pass needs; or
/// null.
void attention_forward(const AttentionShape& shape, const AttentionInputs& inputs, float* ctx,
                       int64_t ctx_stride, float* logsumexp, Workspace& workspace);

/// Inputs and results of the forward pass are read in place from the uncompacted batch, for the kept samples
/// only. Gradients are compact: rows of the kept samples one after another, in the order of `kept`.
struct AttentionBackward {
  AttentionInputs inputs{};
  const float* ctx = nullptr;
  int64_t ctx_stride = 0;
  const float* logsumexp = nullptr;
  const int64_t* kept = nullptr;    ///< [kept_count] samples; null: all of them
  int64_t kept_count = 0;           ///< read only when kept is given
  const float* grad_ctx = nullptr;  ///< compact query rows x H
  int64_t grad_ctx_stride = 0;
  float* grad_q = nullptr;  ///< compact query rows x H, overwritten
  int64_t grad_q_stride = 0;
  float* grad_k = nullptr;  ///< compact rows x H, overwritten
  float* grad_v = nullptr;  ///< compact rows x H, overwritten
  int64_t grad_kv_stride = 0;
};
void attention_backward(const AttentionShape& shape, const AttentionBackward& args, Workspace& workspace);

}  // namespace vcas::ops::kernels
