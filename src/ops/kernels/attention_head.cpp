#include "ops/kernels/attention_head.h"

#include <array>

#include "ops/kernels/tiles.h"
#include "sampling/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/attention_head.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include <hwy/contrib/math/math-inl.h>

#include "ops/kernels/exp-inl.h"
#include "ops/kernels/micro_gemm-inl.h"
#include "ops/kernels/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vcas::ops::kernels::HWY_NAMESPACE {

using detail::AttentionHead;
using detail::AttentionHeadBackward;
using detail::AttentionHeadForward;

constexpr int64_t kQueryBlock = detail::kAttentionQueryBlock;

/// Parts of a thread's scratch memory.
struct Scratch {
  Rows<float> k_transposed, v_transposed;  ///< [head_size x keys]
  Rows<float> scores, grad_scores;         ///< [kQueryBlock x keys]
  float* factors;                          ///< [kQueryBlock x dropout_stride(keys)]

  Scratch(float* memory, int64_t keys, int64_t head_size) {
    const int64_t stride = detail::attention_score_stride(keys);
    const auto take = [&](int64_t rows) {
      float* part = memory;
      memory += rows * stride;
      return Rows<float>{part, stride};
    };
    k_transposed = take(head_size);
    v_transposed = take(head_size);
    scores = take(kQueryBlock);
    grad_scores = take(kQueryBlock);
    factors = take(kQueryBlock).data;
  }
};

/// out [head_size x keys], filled up to a whole number of vectors with copies of the last key, which costs
/// less than a transposition of single rows.
void transpose(const float* rows, int64_t stride, int64_t keys, int64_t head_size, Rows<float> out) {
  constexpr int64_t kBatch = 64;
  std::array<const float*, kBatch> source;
  for (int64_t first = 0; first < out.stride; first += kBatch) {
    const int64_t count = HWY_MIN(kBatch, out.stride - first);
    for (int64_t r = 0; r < count; ++r) {
      source[static_cast<size_t>(r)] = rows + HWY_MIN(first + r, keys - 1) * stride;
    }
    transpose_rows(source.data(), /*factors=*/nullptr, count, head_size, out.data + first, out.stride);
  }
}

/// scores = rows·columns, unscaled, of queries [first, first + count) against the first `keys` keys.
HWY_INLINE void score_block(const float* rows, int64_t stride, int64_t count, int64_t keys, int64_t head_size,
                            Rows<float> columns, Rows<float> scores) {
  micro_gemm(count, keys, head_size, {rows, stride, 1}, {columns.data, columns.stride}, scores,
             /*accumulate=*/false);
}

HWY_INLINE float score_scale(const AttentionHead& head) {
  return 1.0f / std::sqrt(static_cast<float>(head.head_size));
}

/// Dropout factors of queries [first, first + count), or null without dropout.
HWY_INLINE const float* dropout_block(const AttentionHead& head, int64_t first, int64_t count, int64_t keys,
                                      float* factors) {
  if (!head.dropout->active()) return nullptr;
  const int64_t rows = head.query_rows ? 1 : count;  // that follow each other in the mask
  for (int64_t i = 0; i < count; i += rows) {
    fill_dropout_factors(*head.dropout, head.first_row + static_cast<uint32_t>(head.position(first + i)),
                         rows, head.first_column, keys, factors + i * dropout_stride(keys));
  }
  return factors;
}

HWY_INLINE float largest(const float* row, int64_t count) {
  const DF d;
  const auto lowest = hn::Set(d, -INFINITY);
  auto result = lowest;
  for_each_vector(count, [&](const auto& access, int64_t c) HWY_ATTR {
    result = hn::Max(result, access.inside_or(access.load(row + c), lowest));
  });
  return hn::GetLane(hn::MaxOfLanes(d, result));
}

/// row ← exp(scale·(row - shift))·factors; returns the sum before the factors.
HWY_INLINE float exponentials(float* row, int64_t count, float scale, float shift, const float* factors) {
  const DF d;
  const auto scales = hn::Set(d, scale), shifts = hn::Set(d, shift);
  auto sum = hn::Zero(d);
  for_each_vector(count, [&](const auto& access, int64_t c) HWY_ATTR {
    auto value = exponential(hn::Mul(scales, hn::Sub(access.load(row + c), shifts)));
    sum = hn::Add(sum, access.inside(value));
    if (factors) value = hn::Mul(value, access.load(factors + c));
    access.store(value, row + c);
  });
  return sum_of_lanes(sum);
}

HWY_INLINE void scale_row(float* row, int64_t count, float factor) {
  const auto factors = hn::Set(DF(), factor);
  for_each_vector(count, [&](const auto& access, int64_t c)
                             HWY_ATTR { access.store(hn::Mul(factors, access.load(row + c)), row + c); });
}

/// What the rows of a block of exponentials were divided and shifted by.
struct RowSums {
  HWY_ALIGN float sum[kQueryBlock];
  HWY_ALIGN float shift[kQueryBlock];

  /// shift + log sum, in place of shift.
  HWY_INLINE void to_logsumexp() {
    const DF d;
    for (int64_t i = 0; i < kQueryBlock; i += static_cast<int64_t>(hn::Lanes(d))) {
      hn::Store(hn::Add(hn::Load(d, shift + i), hn::Log(d, hn::Load(d, sum + i))), d, shift + i);
    }
  }
};

/// Exponentials of the scores of queries [first, first + count), with dropout but not divided by their sums.
HWY_INLINE RowSums exponentiate_block(const AttentionHead& head, const Scratch& scratch, int64_t first,
                                      int64_t count, int64_t keys) {
  RowSums sums;
  std::fill_n(sums.sum, kQueryBlock, 1.0f);
  std::fill_n(sums.shift, kQueryBlock, 0.0f);
  const float scale = score_scale(head);
  const float* factors = dropout_block(head, first, count, keys, scratch.factors);
  for (int64_t i = 0; i < count; ++i) {
    float* row = scratch.scores.data + i * scratch.scores.stride;
    const int64_t visible = head.keys_of(first + i);
    const float shift = largest(row, visible);
    sums.sum[i] =
        exponentials(row, visible, scale, shift, factors ? factors + i * dropout_stride(keys) : nullptr);
    sums.shift[i] = scale * shift;
    std::fill(row + visible, row + keys, 0.0f);
  }
  return sums;
}

void attention_head_forward(const AttentionHeadForward& args, float* memory) {
  const AttentionHead& head = args.head;
  const Scratch scratch(memory, head.keys, head.head_size);
  transpose(head.k, head.kv_stride, head.keys, head.head_size, scratch.k_transposed);
  for (int64_t first = 0; first < head.queries; first += kQueryBlock) {
    const int64_t count = HWY_MIN(kQueryBlock, head.queries - first), keys = head.keys_of(first + count - 1);
    score_block(head.q + first * head.q_stride, head.q_stride, count, keys, head.head_size,
                scratch.k_transposed, scratch.scores);
    RowSums sums = exponentiate_block(head, scratch, first, count, keys);
    float* ctx = args.ctx + first * args.ctx_stride;
    micro_gemm(count, head.head_size, keys, {scratch.scores.data, scratch.scores.stride, 1},
               {head.v, head.kv_stride}, {ctx, args.ctx_stride}, /*accumulate=*/false);
    for (int64_t i = 0; i < count; ++i)
      scale_row(ctx + i * args.ctx_stride, head.head_size, 1.0f / sums.sum[i]);
    if (!args.logsumexp) continue;
    sums.to_logsumexp();
    for (int64_t i = 0; i < count; ++i) args.logsumexp[(first + i) * args.logsumexp_stride] = sums.shift[i];
  }
}

HWY_INLINE float dot(const float* a, const float* b, int64_t count) {
  auto sum = hn::Zero(DF());
  for_each_vector(count, [&](const auto& access, int64_t c)
                             HWY_ATTR { sum = hn::MulAdd(access.load(a + c), access.load(b + c), sum); });
  return sum_of_lanes(sum);
}

/// From scores s and the gradient of the probabilities after dropout, in place: s ← p̃ = f·p, grad ←
/// scale·p·(f·grad - delta), where p = exp(scale·s - logsumexp) and delta = ctx·grad_ctx = Σ_j p_j f_j
/// grad_j.
HWY_INLINE void score_gradients(float* scores, float* grad, const float* factors, int64_t count, float scale,
                                float logsumexp, float delta) {
  const DF d;
  const auto scales = hn::Set(d, scale), shift = hn::Set(d, logsumexp), deltas = hn::Set(d, delta);
  for_each_vector(count, [&](const auto& access, int64_t c) HWY_ATTR {
    auto probability = exponential(hn::MulSub(scales, access.load(scores + c), shift));
    auto slope = access.load(grad + c);
    const auto scaled = hn::Mul(scales, probability);
    if (factors) {
      const auto factor = access.load(factors + c);
      slope = hn::Mul(slope, factor);
      probability = hn::Mul(probability, factor);
    }
    access.store(probability, scores + c);
    access.store(hn::Mul(scaled, hn::Sub(slope, deltas)), grad + c);
  });
}

/// Scores and their gradients of queries [first, first + count), over the first `keys` keys.
HWY_INLINE void backward_scores(const AttentionHeadBackward& args, const Scratch& scratch, int64_t first,
                                int64_t count, int64_t keys) {
  const AttentionHead& head = args.head;
  const float* grad_ctx = args.grad_ctx + first * args.grad_ctx_stride;
  score_block(head.q + first * head.q_stride, head.q_stride, count, keys, head.head_size,
              scratch.k_transposed, scratch.scores);
  score_block(grad_ctx, args.grad_ctx_stride, count, keys, head.head_size, scratch.v_transposed,
              scratch.grad_scores);
  const float* factors = dropout_block(head, first, count, keys, scratch.factors);
  for (int64_t i = 0; i < count; ++i) {
    float* scores = scratch.scores.data + i * scratch.scores.stride;
    float* grad = scratch.grad_scores.data + i * scratch.grad_scores.stride;
    const int64_t visible = head.keys_of(first + i);
    const float delta =
        dot(args.ctx + (first + i) * args.ctx_stride, grad_ctx + i * args.grad_ctx_stride, head.head_size);
    score_gradients(scores, grad, factors ? factors + i * dropout_stride(keys) : nullptr, visible,
                    score_scale(head), args.logsumexp[(first + i) * args.logsumexp_stride], delta);
    std::fill(scores + visible, scores + keys, 0.0f);
    std::fill(grad + visible, grad + keys, 0.0f);
  }
}

/// Keys and values of a sample without queries.
void no_gradient(const AttentionHeadBackward& args) {
  for (int64_t key = 0; key < args.head.keys; ++key) {
    std::fill_n(args.grad_k + key * args.grad_kv_stride, args.head.head_size, 0.0f);
    std::fill_n(args.grad_v + key * args.grad_kv_stride, args.head.head_size, 0.0f);
  }
}

void attention_head_backward(const AttentionHeadBackward& args, float* memory) {
  const AttentionHead& head = args.head;
  if (head.queries == 0) return no_gradient(args);
  const Scratch scratch(memory, head.keys, head.head_size);
  transpose(head.k, head.kv_stride, head.keys, head.head_size, scratch.k_transposed);
  transpose(head.v, head.kv_stride, head.keys, head.head_size, scratch.v_transposed);
  // Last queries first: with a causal mask they are the ones that see every key, so the first block writes
  // all rows.
  const int64_t last_block = (head.queries - 1) / kQueryBlock;
  for (int64_t block = last_block; block >= 0; --block) {
    const int64_t first = block * kQueryBlock, count = HWY_MIN(kQueryBlock, head.queries - first);
    const bool accumulate = block < last_block;
    const int64_t keys = accumulate ? head.keys_of(first + count - 1) : head.keys;
    backward_scores(args, scratch, first, count, keys);
    const Rows<float> p = scratch.scores, ds = scratch.grad_scores;
    micro_gemm(count, head.head_size, keys, {ds.data, ds.stride, 1}, {head.k, head.kv_stride},
               {args.grad_q + first * args.grad_q_stride, args.grad_q_stride}, /*accumulate=*/false);
    micro_gemm(keys, head.head_size, count, {ds.data, 1, ds.stride},
               {head.q + first * head.q_stride, head.q_stride}, {args.grad_k, args.grad_kv_stride},
               accumulate);
    micro_gemm(keys, head.head_size, count, {p.data, 1, p.stride},
               {args.grad_ctx + first * args.grad_ctx_stride, args.grad_ctx_stride},
               {args.grad_v, args.grad_kv_stride}, accumulate);
  }
}

}  // namespace vcas::ops::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vcas::ops::kernels {

HWY_EXPORT(attention_head_forward);
HWY_EXPORT(attention_head_backward);

int64_t detail::attention_head_scratch(int64_t keys, int64_t head_size) {
  return attention_score_stride(keys) * (2 * head_size + 3 * kAttentionQueryBlock);
}

void detail::attention_head_forward(const AttentionHeadForward& args, float* scratch) {
  HWY_DYNAMIC_DISPATCH(attention_head_forward)(args, scratch);
}

void detail::attention_head_backward(const AttentionHeadBackward& args, float* scratch) {
  HWY_DYNAMIC_DISPATCH(attention_head_backward)(args, scratch);
}

}  // namespace vcas::ops::kernels
#endif
