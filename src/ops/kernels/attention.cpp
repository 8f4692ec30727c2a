#include "ops/kernels/attention.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <vector>

#include "ops/kernels/attention_head.h"
#include "ops/kernels/parallel.h"

namespace vcas::ops::kernels {
namespace {

/// Where one sample's rows lie, in the uncompacted batch and among the compact rows.
struct SamplePlace {
  int64_t first_row;
  int64_t length;
  int64_t mask_row;
  int64_t query_row;
  int64_t queries;
  int64_t compact_row;
  int64_t compact_query_row;
};

std::vector<SamplePlace> sample_places(const AttentionShape& shape, const int64_t* kept, int64_t count) {
  std::vector<SamplePlace> places;
  places.reserve(static_cast<size_t>(count));
  int64_t compact_row = 0, compact_query_row = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t sample = kept ? kept[i] : i;
    const int64_t first = shape.offsets[sample], length = shape.offsets[sample + 1] - first;
    TORCH_CHECK(length >= 1, "attention: expected samples of at least one row, got ", length, " in sample ",
                sample);
    const int64_t* own = shape.query_rows ? shape.query_offsets + sample : nullptr;
    places.push_back({.first_row = first,
                      .length = length,
                      .mask_row = shape.mask_first_rows ? shape.mask_first_rows[sample] : first,
                      .query_row = own ? own[0] : first,
                      .queries = own ? own[1] - own[0] : length,
                      .compact_row = compact_row,
                      .compact_query_row = compact_query_row});
    compact_row += length;
    compact_query_row += places.back().queries;
  }
  return places;
}

constexpr int kPositionBits = 18;

detail::AttentionHead head_of(const AttentionShape& shape, const AttentionInputs& inputs,
                              const SamplePlace& place, int64_t head) {
  const int64_t column = head * shape.head_size, kv = place.first_row * inputs.kv_stride + column;
  return {.q = inputs.q + place.query_row * inputs.q_stride + column,
          .q_stride = inputs.q_stride,
          .k = inputs.k + kv,
          .v = inputs.v + kv,
          .kv_stride = inputs.kv_stride,
          .queries = place.queries,
          .keys = place.length,
          .head_size = shape.head_size,
          .query_rows = shape.query_rows ? shape.query_rows + place.query_row : nullptr,
          .key_row = place.first_row,
          .causal = shape.causal,
          .dropout = &shape.dropout,
          .first_row = static_cast<uint32_t>(place.mask_row),
          .first_column = static_cast<uint32_t>(head) << kPositionBits};
}

/// Heads that one task handles, so that short samples do not drown in the handing out of tasks.
int64_t heads_a_task(int64_t heads, int64_t longest) { return std::clamp<int64_t>(64 / longest, 1, heads); }

/// task(place, head, scratch) for every head of every sample.
template <class Task>
void for_each_head(const AttentionShape& shape, const std::vector<SamplePlace>& places, Workspace& workspace,
                   const Task& task) {
  int64_t longest = 1;
  for (const auto& place : places) longest = std::max(longest, place.length);
  TORCH_CHECK(longest < (int64_t{1} << kPositionBits) && shape.heads <= (int64_t{1} << (32 - kPositionBits)),
              "attention: expected samples shorter than 262144 rows and at most 16384 heads, got ", longest,
              " and ", shape.heads);
  const int64_t group = heads_a_task(shape.heads, longest), groups = (shape.heads + group - 1) / group;
  workspace.reserve_threads(thread_count());
  parallel_tasks(static_cast<int64_t>(places.size()) * groups, [&](int64_t index, int slot) {
    float* scratch = workspace.thread(slot).floats(detail::attention_head_scratch(longest, shape.head_size));
    const int64_t first = index % groups * group;
    for (int64_t head = first; head < std::min(shape.heads, first + group); ++head) {
      task(places[static_cast<size_t>(index / groups)], head, scratch);
    }
  });
}

}  // namespace

void attention_forward(const AttentionShape& shape, const AttentionInputs& inputs, float* ctx,
                       int64_t ctx_stride, float* logsumexp, Workspace& workspace) {
  const auto places = sample_places(shape, /*kept=*/nullptr, shape.samples);
  for_each_head(shape, places, workspace, [&](const SamplePlace& place, int64_t head, float* scratch) {
    const int64_t column = head * shape.head_size;
    const detail::AttentionHeadForward args{
        .head = head_of(shape, inputs, place, head),
        .ctx = ctx + place.query_row * ctx_stride + column,
        .ctx_stride = ctx_stride,
        .logsumexp = logsumexp ? logsumexp + place.query_row * shape.heads + head : nullptr,
        .logsumexp_stride = shape.heads};
    detail::attention_head_forward(args, scratch);
  });
}

void attention_backward(const AttentionShape& shape, const AttentionBackward& args, Workspace& workspace) {
  const auto places = sample_places(shape, args.kept, args.kept ? args.kept_count : shape.samples);
  for_each_head(shape, places, workspace, [&](const SamplePlace& place, int64_t head, float* scratch) {
    const int64_t column = head * shape.head_size;
    const int64_t kv = place.compact_row * args.grad_kv_stride + column;
    const detail::AttentionHeadBackward head_args{
        .head = head_of(shape, args.inputs, place, head),
        .ctx = args.ctx + place.query_row * args.ctx_stride + column,
        .ctx_stride = args.ctx_stride,
        .logsumexp = args.logsumexp + place.query_row * shape.heads + head,
        .logsumexp_stride = shape.heads,
        .grad_ctx = args.grad_ctx + place.compact_query_row * args.grad_ctx_stride + column,
        .grad_ctx_stride = args.grad_ctx_stride,
        .grad_q = args.grad_q + place.compact_query_row * args.grad_q_stride + column,
        .grad_q_stride = args.grad_q_stride,
        .grad_k = args.grad_k + kv,
        .grad_v = args.grad_v + kv,
        .grad_kv_stride = args.grad_kv_stride};
    detail::attention_head_backward(head_args, scratch);
  });
}

}  // namespace vcas::ops::kernels
