#include <c10/util/Exception.h>

#include "vcas/ops/encoder_layer.h"

namespace vcas::ops {
namespace {

struct LinearShape {
  double rows;
  double weights;  ///< elements of the weight
};

std::vector<LinearShape> linear_shapes(const EncoderLayerWork& work, int64_t hidden, int64_t intermediate) {
  const auto square = static_cast<double>(hidden) * static_cast<double>(hidden);
  const auto wide = static_cast<double>(hidden) * static_cast<double>(intermediate);
  return {{work.query_rows, square}, {work.rows, square},     {work.rows, square},
          {work.query_rows, square}, {work.query_rows, wide}, {work.query_rows, wide}};
}

/// One product of queries and keys (or probabilities and values) over all heads.
double attention_product(const EncoderLayerWork& work, int64_t hidden) {
  return 2.0 * work.pairs * static_cast<double>(hidden);
}

}  // namespace

EncoderLayerWork encoder_layer_work(const at::Tensor& offsets, bool first_row_only) {
  const auto* begin = offsets.const_data_ptr<int64_t>();
  EncoderLayerWork work;
  for (int64_t i = 0; i + 1 < offsets.numel(); ++i) {
    const auto length = static_cast<double>(begin[i + 1] - begin[i]);
    const double queries = first_row_only ? 1.0 : length;
    work.rows += length;
    work.query_rows += queries;
    work.pairs += queries * length;
  }
  return work;
}

double encoder_layer_forward_flops(const EncoderLayerWork& work, int64_t hidden, int64_t intermediate) {
  double flops = 2.0 * attention_product(work, hidden);
  for (const auto& shape : linear_shapes(work, hidden, intermediate))
    flops += 2.0 * shape.rows * shape.weights;
  return flops;
}

double encoder_layer_backward_flops(const EncoderLayerWork& kept, const std::vector<double>& weight_rows,
                                    int64_t hidden, int64_t intermediate, EncoderLayerBackward kind) {
  const auto shapes = linear_shapes(kept, hidden, intermediate);
  TORCH_CHECK(weight_rows.size() == shapes.size(), "encoder_layer_backward_flops: expected ", shapes.size(),
              " row counts, got ", weight_rows.size());
  // Attention: gradients of probabilities, values, queries and keys, and the scores once more.
  double flops = (kind == EncoderLayerBackward::plain ? 4.0 : 5.0) * attention_product(kept, hidden);
  for (size_t i = 0; i < shapes.size(); ++i)
    flops += 2.0 * (shapes[i].rows + weight_rows[i]) * shapes[i].weights;
  if (kind != EncoderLayerBackward::from_saved)
    flops += encoder_layer_forward_flops(kept, hidden, intermediate);
  if (kind == EncoderLayerBackward::recomputed_but_output)
    flops -= 2.0 * shapes.back().rows * shapes.back().weights;
  return flops;
}

}  // namespace vcas::ops
