#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "vcas/sampling/layout.h"
#include "vcas/training/loop/method.h"

namespace vcas::training {

/// The last losses that training saw.
class LossHistory {
 public:
  /// @param capacity of losses, at least 1.
  explicit LossHistory(int64_t capacity);

  /// The oldest make room.
  void add(const std::vector<double>& losses);
  /// Share of the losses that are at most this one: their empirical distribution function. 0 without any.
  double share_at_most(double loss) const;

  /// In the order in which they came.
  std::vector<double> values() const { return {losses_.begin(), losses_.end()}; }

 private:
  size_t capacity_;
  std::deque<double> losses_;
};

struct SelectiveBackpropOptions {
  double beta = 2;              ///< how strongly high losses are preferred
  int64_t history_size = 1024;  ///< losses that a new one is compared with
};

/// Selective backprop: a sample goes backward with probability (share of past losses that are at most its
/// own)^beta, and the loss is averaged over those that do. Biased, as published; a third is kept on average
/// for beta = 2. Where the draw keeps none, the sample with the highest loss goes backward.
/// Source: Jiang et al., Accelerating Deep Learning by Focusing on the Biggest Losers (2019).
class SelectiveBackprop final : public Method {
 public:
  /// @param layout of the model. @throws c10::Error for an option out of range.
  SelectiveBackprop(const SelectiveBackpropOptions& options, sampling::SamplingLayout layout, uint64_t seed);

  std::string_view name() const override { return "sb"; }
  MicroBatchGradient backward(MicroBatch& batch, double loss_scale) override;
  std::optional<SamplingStatus> status() const override { return status_; }
  MethodState state() const override;
  void load_state(const MethodState& state) override;

 private:
  SelectiveBackpropOptions options_;
  sampling::SamplingLayout layout_;
  uint64_t seed_;
  LossHistory history_;
  std::optional<SamplingStatus> status_;
};

}  // namespace vcas::training
