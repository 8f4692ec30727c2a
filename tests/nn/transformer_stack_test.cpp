#include "vcas/nn/transformer_stack.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace vcas::nn {
namespace transformer_stack_test {

TransformerLayerOptions small_options() {
  TransformerLayerOptions options{.hidden_size = 16, .intermediate_size = 32, .layer = {}};
  options.layer.num_heads = 2;
  return options;
}

const at::Tensor kOffsets = at::tensor({0, 3, 4, 8}, at::kLong);

TEST(TransformerStack, OnlyTheLastLayerComputesTheQueryRowsAlone) {
  TransformerStack stack(small_options(), 3);
  Recording recording({}), of_all({});
  const auto x = at::randn({8, 16});
  const auto queries = first_rows(kOffsets);
  const auto rows = stack.forward(x, kOffsets, queries, recording);
  // The kernels take other blocks of rows: float32 rounds at 2^-24.
  EXPECT_TRUE(
      at::allclose(rows, stack.forward(x, kOffsets, {}, of_all).index_select(0, queries), 1e-4, 1e-5));
  ASSERT_EQ(recording.blocks().size(), 3U);
  EXPECT_EQ(recording.rows()[1].weight_rows, (std::vector<int64_t>{8, 8, 8, 8, 8, 8}));
  EXPECT_EQ(recording.rows()[2].weight_rows, (std::vector<int64_t>{3, 8, 8, 3, 3, 3}));
}

TEST(TransformerStack, OperationsAreThoseOfTheBlocksThatItRecords) {
  TransformerStack stack(small_options(), 2);
  Recording recording({});
  const auto queries = first_rows(kOffsets);
  stack.forward(at::randn({8, 16}), kOffsets, queries, recording);
  Flops recorded;
  for (const auto& block : recording.blocks()) recorded += block.exact;
  const auto flops = stack.flops(kOffsets, queries, {});
  EXPECT_GT(flops.forward, 0);
  EXPECT_EQ(flops.forward, recorded.forward);
  EXPECT_EQ(flops.backward, recorded.backward);
}

TEST(TransformerStack, NeedsALayer) { EXPECT_THROW(TransformerStack(small_options(), 0), c10::Error); }

}  // namespace transformer_stack_test
}  // namespace vcas::nn
