#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "vcas/data/order.h"
#include "vcas/nn/batch.h"
#include "vcas/training/loop/method.h"
#include "vcas/training/loop/options.h"
#include "vcas/training/loop/task.h"

namespace vcas::training {

/// Which micro-batch: its place in the data, and its number over the whole run.
struct MicroBatchPosition {
  int64_t epoch = 0;
  int64_t index = 0;  ///< in its epoch
  int64_t number = 0;

  bool operator==(const MicroBatchPosition&) const = default;
};

/// The training batches of a run: order, shard, the method's choice among the examples, and the next batch
/// made on another thread while a step runs. What comes out is a function of position, seed and the method's
/// choices alone.
class BatchSource {
 public:
  /// Task and method must outlive the source. @param shard this process's part of each epoch.
  BatchSource(const Task& task, Method& method, const TrainOptions& options, const data::Shard& shard = {});

  int64_t batches_per_epoch() const { return order_.batches_per_epoch(); }
  /// Whether the order gives every shard as many examples there as in a full batch.
  bool is_full_size(const MicroBatchPosition& position) const {
    return order_.is_full_size({position.epoch, position.index});
  }

  /// The batch at a position. @param next what will probably be asked for next: made ahead.
  std::unique_ptr<nn::Batch> take(const MicroBatchPosition& position,
                                  const std::optional<MicroBatchPosition>& next = std::nullopt);

 private:
  struct Ahead {
    MicroBatchPosition position;
    std::future<std::unique_ptr<nn::Batch>> batch;
  };
  BatchRequest request(const MicroBatchPosition& position);

  const Task& task_;
  Method& method_;
  uint64_t seed_;
  data::TrainingOrder order_;
  std::optional<Ahead> ahead_;
};

}  // namespace vcas::training
