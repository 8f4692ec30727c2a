#include "vcas/ops/dropout.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <c10/util/Exception.h>

#include <cmath>

#include "attention_mask.h"
#include "sampling/philox_tensor.h"

namespace vcas::ops {
namespace {

using sampling::Site;

constexpr int64_t kRngFields = 3;
constexpr int64_t kColumnsPerBlock = 4;

/// @param blocks, rows int64 tensors that broadcast to [..., blocks]. @return [..., 4 * blocks] multipliers.
at::Tensor multipliers(const at::Tensor& blocks, const at::Tensor& rows, const sampling::StreamKey& stream,
                       double p, const at::Tensor& like) {
  const auto words = sampling::philox_words(blocks, rows, stream);
  const auto word = at::stack({words[0], words[1], words[2], words[3]}, -1).flatten(-2, -1);
  const auto threshold = static_cast<int64_t>(std::llround(p * 4294967296.0));
  return word.ge(threshold).to(like.scalar_type()).div_(1.0 - p);
}

int64_t block_count(int64_t columns) { return (columns + kColumnsPerBlock - 1) / kColumnsPerBlock; }

}  // namespace

at::Tensor make_rng_tensor(const sampling::StreamKey& stream) {
  auto rng = at::empty({kRngFields}, at::kLong);
  auto* fields = rng.mutable_data_ptr<int64_t>();
  fields[0] = static_cast<int64_t>(stream.seed);
  fields[1] = stream.micro_batch;
  fields[2] = stream.layer;
  return rng;
}

sampling::StreamKey read_rng(const at::Tensor& rng, Site site) {
  TORCH_CHECK(
      rng.scalar_type() == at::kLong && rng.is_cpu() && rng.is_contiguous() && rng.numel() == kRngFields,
      "rng: expected a contiguous int64 CPU tensor [3], got ", rng.scalar_type(), " on ", rng.device(), " ",
      rng.sizes());
  const auto* fields = rng.const_data_ptr<int64_t>();
  sampling::StreamKey stream;
  stream.seed = static_cast<uint64_t>(fields[0]);
  stream.micro_batch = static_cast<uint32_t>(fields[1]);
  stream.layer = static_cast<uint32_t>(fields[2]);
  stream.site = site;
  return stream;
}

at::Tensor dropout_mask(const at::Tensor& rows, int64_t columns, const at::Tensor& rng, Site site, double p,
                        const at::Tensor& like) {
  TORCH_CHECK(p >= 0 && p < 1, "dropout_mask: expected p in [0, 1), got ", p);
  const auto blocks = at::arange(block_count(columns), rows.options()).unsqueeze(0);
  return multipliers(blocks, rows.unsqueeze(1), read_rng(rng, site), p, like).narrow(1, 0, columns);
}

at::Tensor attention_dropout_mask(const at::Tensor& query_rows, int64_t heads, int64_t keys,
                                  const at::Tensor& rng, double p, const at::Tensor& like) {
  const auto head =
      at::arange(heads, query_rows.options()).unsqueeze(1) * (int64_t{1} << kAttentionHeadShift);
  const auto key_block = at::arange(block_count(keys), query_rows.options()).unsqueeze(0);
  const auto blocks = (head.div(kColumnsPerBlock, "floor") + key_block).view({1, heads, 1, -1});
  const auto rows = query_rows.view({query_rows.size(0), 1, query_rows.size(1), 1});
  return multipliers(blocks, rows, read_rng(rng, Site::attention_dropout), p, like).narrow(3, 0, keys);
}

}  // namespace vcas::ops
