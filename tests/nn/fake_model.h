#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nn/fake_blocks.h"
#include "vcas/nn/loss.h"
#include "vcas/nn/model.h"

namespace vcas::nn::testing {

/// Rows with a class a sample.
struct FakeBatch final : Batch {
  at::Tensor rows;    ///< [R, size]
  at::Tensor labels;  ///< [N] int64
};

/// @param lengths rows of each sample.
inline FakeBatch fake_batch(const std::vector<int64_t>& lengths, at::ScalarType dtype = at::kFloat,
                            double phase = 0.3, int64_t size = 6) {
  FakeBatch batch;
  std::vector<int64_t> offsets{0};
  for (const int64_t length : lengths) {
    batch.examples.push_back(static_cast<int64_t>(batch.examples.size()));
    offsets.push_back(offsets.back() + length);
  }
  batch.offsets = to_tensor(offsets);
  batch.rows = fake_values({offsets.back(), size}, phase, dtype) * 3;
  batch.labels = at::arange(batch.size()).remainder(3);
  return batch;
}

/// Cross-entropy with any divisor, as token means have: (Σ weight_i · loss_i) / divisor.
class DividedLoss final : public Loss {
 public:
  DividedLoss(at::Tensor logits, at::Tensor labels, double divisor)
      : logits_(std::move(logits)), labels_(std::move(labels)), divisor_(divisor) {}

  at::Tensor total(const at::Tensor& sample_weights) const override {
    const at::Tensor losses = of(logits_);
    return (sample_weights.defined() ? losses * sample_weights.to(losses.options()) : losses).sum() /
           divisor_;
  }
  at::Tensor sample_losses() const override { return of(logits_.detach()); }
  at::Tensor output_gradient_norms() const override {
    const at::Tensor one_hot = at::one_hot(labels_, logits_.size(1)).to(logits_.scalar_type());
    return (at::softmax(logits_.detach(), 1) - one_hot).norm(2, 1);
  }

 private:
  at::Tensor of(const at::Tensor& logits) const {
    return at::cross_entropy_loss(logits, labels_, /*weight=*/{}, at::Reduction::None);
  }

  at::Tensor logits_, labels_;
  double divisor_;
};

/// Chains of FakeBlocks over the same rows; the sum of their outputs, averaged over a sample's rows, goes
/// through a head of three classes.
class FakeModel final : public Model {
 public:
  explicit FakeModel(std::vector<FakeBlockOptions> blocks) {
    for (size_t b = 0; b < blocks.size(); ++b) {
      std::vector<at::Tensor> shared;
      for (const auto& weight : blocks[b].weights)
        shared.push_back(weight.shares ? blocks_.at(*weight.shares)->weights().front() : at::Tensor());
      blocks_.push_back(
          register_module("block" + std::to_string(b), std::make_shared<FakeBlock>(blocks[b], shared)));
    }
    const auto& last = blocks.back();
    head_ = add_parameter("head", fake_values({3, last.size}, 5, last.dtype),
                          {.weight_decay = true, .below_topmost_sampling = false});
  }

  const std::vector<std::shared_ptr<FakeBlock>>& blocks() const { return blocks_; }
  const at::Tensor& head() const { return head_; }

  Flops flops(const Batch& batch, const ops::ComputeOptions& /*compute*/) const override {
    const double head = 2.0 * static_cast<double>(batch.size() * head_.numel());
    Flops flops{head, 2 * head};
    for (const auto& block : blocks_) flops += block->flops(batch.offsets);
    return flops;
  }

  /// @param run (block, its input) gives its output.
  template <typename Run>
  at::Tensor logits(const FakeBatch& batch, const Run& run) const {
    std::map<int64_t, at::Tensor> chains;
    for (size_t b = 0; b < blocks_.size(); ++b) {
      at::Tensor& rows = chains[blocks_[b]->options().chain];
      rows = run(b, rows.defined() ? rows : batch.rows);
    }
    at::Tensor sum = at::zeros_like(batch.rows);
    for (const auto& [chain, rows] : chains) sum = sum + rows;
    return row_groups(batch.offsets, RowsOf::samples).mean(sum).matmul(head_.t());
  }

  Pass forward(const FakeBatch& batch, const PassOptions& options = {}) const {
    Recording recording(options);
    const auto run = [&](size_t b, const at::Tensor& rows) {
      return blocks_[b]->forward(rows, batch.offsets, recording);
    };
    const auto divisor = batch.divisor.value_or(static_cast<double>(batch.size()));
    auto loss = std::make_unique<DividedLoss>(logits(batch, run), batch.labels, divisor);
    return make_pass(std::move(recording), std::move(loss), batch);
  }

 private:
  std::vector<std::shared_ptr<FakeBlock>> blocks_;
  at::Tensor head_;
};

/// Everything that a block may be, in two chains: weights on every row, on pairs of rows and on one row a
/// sample; a block that mixes samples; one that does not sample activations; a second use of a weight.
inline std::vector<FakeBlockOptions> all_kinds_of_blocks() {
  std::vector<FakeBlockOptions> blocks(5);
  blocks[0].weights = {
      {"rows", RowsOf::every_row}, {"pairs", RowsOf::pairs_of_rows}, {"samples", RowsOf::samples}};
  blocks[1].samples_activations = false;
  blocks[2].weights = {{"weight"}, {"again", RowsOf::pairs_of_rows, true, 0}};
  blocks[3].chain = blocks[4].chain = 1;
  blocks[3].mixes_samples = true;
  blocks[3].weights = {{"frozen", RowsOf::every_row, /*trainable=*/false}, {"weight", RowsOf::samples}};
  return blocks;
}

/// A plan that leaves out samples and rows of every block alike.
inline sampling::SamplingPlan sampled_plan(const sampling::SamplingLayout& layout, double rho, double nu) {
  sampling::SamplingPlan plan;
  plan.sampled = true;
  for (const auto& block : layout.blocks) {
    plan.sample_keep_ratio.push_back(block.samples_activations ? rho : 1);
    plan.row_keep_ratio.emplace_back(block.weights.size(), nu);
  }
  return plan;
}

}  // namespace vcas::nn::testing
