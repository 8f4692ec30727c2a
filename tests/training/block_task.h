#pragma once

#include <ATen/ATen.h>

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "nn/fake_model.h"
#include "vcas/training/loop/task.h"

namespace vcas::training::testing {

/// Learns with blocks that are no transformer layers, from rows that are a function of example, visit and
/// seed. Examples have one to four rows.
class BlockTask final : public TaskOf<nn::testing::FakeBatch> {
 public:
  explicit BlockTask(int64_t examples, std::vector<nn::testing::FakeBlockOptions> blocks = {{}})
      : model_(std::move(blocks)), examples_(examples) {}

  nn::testing::FakeModel& model() override { return model_; }
  std::vector<int64_t> lengths() const override {
    std::vector<int64_t> lengths;
    for (int64_t example = 0; example < examples_; ++example) lengths.push_back(1 + example % 4);
    return lengths;
  }
  /// Batches that were asked for, on any thread.
  int64_t batches_made() const { return batches_made_; }

 protected:
  nn::testing::FakeBatch make_batch(const BatchRequest& request) const override {
    ++batches_made_;
    std::vector<int64_t> lengths;
    std::vector<at::Tensor> rows;
    std::vector<int64_t> labels;
    for (const auto& [example, visit, weight] : request.visits) {
      lengths.push_back(1 + example % 4);
      const auto phase = static_cast<double>(example) + 0.01 * static_cast<double>(visit) +
                         0.0001 * static_cast<double>(request.seed);
      rows.push_back(nn::testing::fake_values({lengths.back(), 6}, phase) * 3);
      labels.push_back(example % 3);
    }
    auto batch = nn::testing::fake_batch(lengths);
    batch.rows = at::cat(rows);
    batch.labels = nn::to_tensor(labels);
    return batch;
  }
  nn::Pass forward_batch(const nn::testing::FakeBatch& batch, const nn::PassOptions& options) override {
    return model_.forward(batch, options);
  }

 private:
  nn::testing::FakeModel model_;
  int64_t examples_;
  mutable std::atomic<int64_t> batches_made_ = 0;
};

}  // namespace vcas::training::testing
