#include "ops/kernels/pooled_tensor.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "ops/kernels/memory_pool.h"
#include "ops/transformer_layer_support.h"

namespace vcas::ops::kernels {
namespace kernels_pooled_tensor_test {

size_t bytes_in_use() { return memory_pool().statistics().bytes_in_use; }
int64_t fresh_allocations() { return memory_pool().statistics().fresh_allocations; }

TEST(PooledEmpty, IsAnOrdinaryContiguousTensor) {
  const auto t = pooled_empty({300, 200}, at::kDouble);
  EXPECT_EQ(t.sizes(), at::IntArrayRef({300, 200}));
  EXPECT_EQ(t.scalar_type(), at::kDouble);
  EXPECT_TRUE(t.is_contiguous());
  EXPECT_TRUE(t.is_cpu());
  EXPECT_FALSE(t.requires_grad());
  EXPECT_TRUE(at::equal(t.fill_(2), at::full({300, 200}, 2, at::kDouble)));
}

TEST(PooledEmpty, MemoryReturnsWithTheLastReference) {
  const size_t before = bytes_in_use();
  std::optional<at::Tensor> t = pooled_empty({1000, 100}, at::kFloat);
  const void* memory = t->const_data_ptr();
  std::optional<at::Tensor> row = t->select(0, 7);
  t.reset();
  EXPECT_GT(bytes_in_use(), before) << "the view still needs it";
  row.reset();
  EXPECT_EQ(bytes_in_use(), before);
  EXPECT_EQ(pooled_empty({995, 100}, at::kFloat).const_data_ptr(), memory);
}

TEST(PooledEmpty, OutlivesOthersUnharmed) {
  auto kept = pooled_empty({256, 256}, at::kFloat).fill_(3);
  for (int i = 0; i < 50; ++i) pooled_empty({256 + i, 256}, at::kFloat).fill_(i);
  EXPECT_TRUE(at::equal(kept, at::full({256, 256}, 3.0f)));
}

TEST(PooledEmpty, SmallTensorsAreNotPooled) {
  const size_t before = bytes_in_use();
  const auto t = pooled_empty({100, 100}, at::kFloat);
  const auto none = pooled_empty({0, 1 << 20}, at::kFloat);
  EXPECT_EQ(bytes_in_use(), before);
  EXPECT_EQ(none.numel(), 0);
}

TEST(PooledEmpty, CanBeResized) {
  auto t = pooled_empty({200, 200}, at::kFloat).fill_(1);
  t.resize_({400, 200});
  EXPECT_TRUE(at::equal(t.narrow(0, 0, 200), at::ones({200, 200})));
}

TEST(PooledEmpty, RefusesNegativeSizes) { EXPECT_THROW(pooled_empty({-1, 100}, at::kFloat), c10::Error); }

TEST(PooledZeros, ClearsAUsedBlock) {
  pooled_empty({512, 128}, at::kFloat).fill_(7);
  EXPECT_EQ(pooled_zeros({512, 128}, at::kFloat).count_nonzero().item<int64_t>(), 0);
}

/// Forward and backward of a block whose activations and larger gradients are all worth pooling.
void run_step(const ops::testing::Block& block) {
  auto plan = ops::testing::sampled_plan(block.samples() / 2, {});
  ops::testing::Pass(block).backward(plan);
}

TEST(PooledEmpty, HoldsTheActivationsOfATransformerLayer) {
  TransformerLayerOptions options;
  options.num_heads = 4;
  const auto block = ops::testing::make_block(std::vector<int64_t>(16, 40), 128, 512, options, at::kFloat);
  const size_t before = bytes_in_use();
  std::optional<ops::testing::Pass> pass(block);
  // Of [640, 128] floats query, key, value, context, both sums, both norms; of [640, 512] two.
  EXPECT_GE(bytes_in_use() - before, 640 * (8 * 128 + 2 * 512) * sizeof(float));
  pass.reset();
  EXPECT_EQ(bytes_in_use(), before);
}

TEST(PooledEmpty, WarmStepOfATransformerLayerAllocatesNothingNew) {
  TransformerLayerOptions options;
  options.num_heads = 4;
  const auto block = ops::testing::make_block(std::vector<int64_t>(16, 40), 128, 512, options, at::kFloat);
  for (int i = 0; i < 3; ++i) run_step(block);
  const int64_t warm = fresh_allocations();
  for (int i = 0; i < 5; ++i) run_step(block);
  EXPECT_EQ(fresh_allocations(), warm);
}

TEST(PooledEmpty, StepsOfDifferentLengthsShareBlocks) {
  TransformerLayerOptions options;
  options.num_heads = 4;
  const auto steps = [&](int64_t length) {
    const int64_t before = fresh_allocations();
    run_step(ops::testing::make_block(std::vector<int64_t>(16, length), 128, 512, options, at::kFloat));
    return fresh_allocations() - before;
  };
  for (const int64_t length : {48, 40, 44}) steps(length);
  int64_t fresh = 0;
  for (const int64_t length : {41, 47, 43, 45, 40, 42, 46, 48}) fresh += steps(length);
  EXPECT_LT(fresh, 8) << "of about 30 tensors in each of 8 steps";
}

}  // namespace kernels_pooled_tensor_test
}  // namespace vcas::ops::kernels
