#pragma once

#include <cstdint>

#include "ops/kernels/dropout.h"

namespace vcas::ops::kernels::detail {

/// Attention of one head of one sample by one thread.
struct AttentionHead {
  const float* q;  ///< [queries x head_size]
  int64_t q_stride;
  const float* k;  ///< [keys x head_size]
  const float* v;  ///< [keys x head_size]
  int64_t kv_stride;
  int64_t queries;
  int64_t keys;
  int64_t head_size;
  /// [queries] rows of the queries where key_row is that of key 0, ascending; null: query i stands at key i.
  const int64_t* query_rows;
  int64_t key_row;
  bool causal;
  const DropoutMask* dropout;
  uint32_t first_row;     ///< the mask's row of key 0
  uint32_t first_column;  ///< the mask's column of key 0

  /// Position of a query among the keys.
  int64_t position(int64_t query) const { return query_rows ? query_rows[query] - key_row : query; }
  int64_t keys_of(int64_t query) const { return causal ? position(query) + 1 : keys; }
};

struct AttentionHeadForward {
  AttentionHead head;
  float* ctx;  ///< [queries x head_size]
  int64_t ctx_stride;
  float* logsumexp;  ///< [queries], or null
  int64_t logsumexp_stride;
};

struct AttentionHeadBackward {
  AttentionHead head;
  const float* ctx;
  int64_t ctx_stride;
  const float* logsumexp;
  int64_t logsumexp_stride;
  const float* grad_ctx;
  int64_t grad_ctx_stride;
  float* grad_q;
  int64_t grad_q_stride;
  float* grad_k;
  float* grad_v;
  int64_t grad_kv_stride;
};

/// Queries that are handled together: their scores stay in the first cache level at usual lengths.
constexpr int64_t kAttentionQueryBlock = 32;
/// Distance between rows of scores.
constexpr int64_t attention_score_stride(int64_t keys) { return (keys + 15) / 16 * 16; }

/// Floats of scratch memory that either direction needs.
int64_t attention_head_scratch(int64_t keys, int64_t head_size);

void attention_head_forward(const AttentionHeadForward& args, float* scratch);
void attention_head_backward(const AttentionHeadBackward& args, float* scratch);

}  // namespace vcas::ops::kernels::detail
