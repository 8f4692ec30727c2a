#include <gtest/gtest.h>

#include "ops/kernels/memory_pool.h"
#include "ops/transformer_layer_support.h"

namespace vcas::ops {
namespace transformer_layer_memory_test {

using testing::Block;
using testing::sampled_plan;

constexpr int64_t kLayers = 6, kSamples = 128, kRows = 20, kHidden = 64, kIntermediate = 256;

/// Bytes of pooled memory beyond those in use before.
struct Usage {
  double saved = 0;  ///< after the forward pass of all blocks
  double peak = 0;   ///< over forward and backward
};

/// A stack of blocks, forward and backward, each under the same plan.
class Stack {
 public:
  explicit Stack(bool recompute) {
    TransformerLayerOptions options;
    options.num_heads = 4;
    options.recompute = recompute;
    for (uint64_t layer = 0; layer < kLayers; ++layer)
      blocks_.push_back(testing::make_block(std::vector<int64_t>(kSamples, kRows), kHidden, kIntermediate,
                                            options, at::kFloat, layer + 1));
  }

  Usage run(sampling::BlockPlan plan) {
    auto& pool = kernels::memory_pool();
    pool.restart_peak();
    const auto before = static_cast<double>(pool.statistics().bytes_in_use);
    if (plan.row_counts.empty()) plan.row_counts.assign(kTransformerWeights, sampling::BlockPlan::kAllRows);
    at::Tensor hidden = blocks_[0].x;
    std::vector<at::Tensor> inputs{hidden};
    for (const auto& block : blocks_) {
      auto plan_tensor = sampling::make_plan_tensor(kTransformerWeights);
      sampling::write_plan(plan, plan_tensor);
      hidden = transformer_layer(hidden, block.offsets, {}, block.parameters, block.rng, plan_tensor, {},
                                 block.options);
      inputs.insert(inputs.end(), block.parameters.begin(), block.parameters.end());
    }
    Usage usage;
    usage.saved = static_cast<double>(pool.statistics().bytes_in_use) - before;
    torch::autograd::grad({hidden}, inputs, {blocks_[0].output_gradient});
    usage.peak = static_cast<double>(pool.statistics().peak_bytes_in_use) - before;
    return usage;
  }

 private:
  std::vector<Block> blocks_;
};

sampling::BlockPlan half() {
  const int64_t rows = kSamples * kRows / 4;
  return sampled_plan(kSamples / 2, std::vector<int64_t>(kTransformerWeights, rows));
}

TEST(TransformerLayerMemory, SamplingNeedsNoMoreThanExactTraining) {
  Stack stack(/*recompute=*/false);
  const auto exact = stack.run({}), sampled = stack.run(half());
  // 16 matrices [R, H] a block are saved, x included.
  EXPECT_GT(exact.saved, 16.0 * kLayers * kSamples * kRows * kHidden * sizeof(float) * 0.95);
  EXPECT_EQ(sampled.saved, exact.saved);
  EXPECT_LE(sampled.peak, exact.peak);
}

TEST(TransformerLayerMemory, RecomputingNeedsAQuarterOfSavingThem) {
  const auto saving = Stack(/*recompute=*/false).run({});
  Stack stack(/*recompute=*/true);
  const auto sampled = stack.run(half()), exact = stack.run({});
  // Of 16 matrices [R, H] a block one is left: its input.
  EXPECT_LE(sampled.saved, 0.07 * saving.saved);
  EXPECT_LE(sampled.peak, 0.20 * saving.peak);
  EXPECT_LE(exact.peak, 0.28 * saving.peak);
}

}  // namespace transformer_layer_memory_test
}  // namespace vcas::ops
