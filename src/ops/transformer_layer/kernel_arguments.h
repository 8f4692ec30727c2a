#pragma once

#include "arguments.h"
#include "kept_rows.h"
#include "ops/kernels/attention.h"
#include "ops/kernels/dropout.h"

namespace vcas::ops {

/// The keyed mask of one dropout of the block; p = 0: none.
inline kernels::DropoutMask dropout_of(const TransformerLayerArguments& arguments, sampling::Site site,
                                       double p) {
  return p == 0 ? kernels::DropoutMask() : kernels::DropoutMask(read_rng(arguments.rng, site), p);
}

/// The block's attention as the kernels describe it, the same forward and backward.
/// @param source as of transformer_layer_forward_cpu.
/// @param queries of the arguments' batch; must outlive the shape.
inline kernels::AttentionShape attention_of(const TransformerLayerArguments& arguments,
                                            const QueryRows& queries, const KeptRows* source) {
  kernels::AttentionShape shape;
  shape.offsets = arguments.offsets.const_data_ptr<int64_t>();
  shape.samples = arguments.samples();
  shape.heads = arguments.options.num_heads;
  shape.head_size = arguments.hidden() / arguments.options.num_heads;
  shape.causal = arguments.options.causal;
  shape.query_rows = queries.rows();
  shape.query_offsets = queries.offsets();
  shape.mask_first_rows = source ? source->first_rows().data() : nullptr;
  shape.dropout =
      dropout_of(arguments, sampling::Site::attention_dropout, arguments.options.attention_dropout);
  return shape;
}

}  // namespace vcas::ops
