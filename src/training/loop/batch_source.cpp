#include "vcas/training/loop/batch_source.h"

#include <utility>

namespace vcas::training {
namespace {

/// Batches that are sorted by length together, as Hugging Face's LengthGroupedSampler does.
constexpr int64_t kBucketBatches = 50;

data::OrderOptions order_options(const TrainOptions& options, const data::Shard& shard) {
  const bool grouped = options.train_sampling_strategy == SamplingStrategy::group_by_length;
  return {options.seed, options.per_device_train_batch_size, grouped ? kBucketBatches : 0, shard};
}

}  // namespace

BatchSource::BatchSource(const Task& task, Method& method, const TrainOptions& options,
                         const data::Shard& shard)
    : task_(task),
      method_(method),
      seed_(options.seed),
      order_(task.lengths(), order_options(options, shard)) {}

std::unique_ptr<nn::Batch> BatchSource::take(const MicroBatchPosition& position,
                                             const std::optional<MicroBatchPosition>& next) {
  auto ahead = std::exchange(ahead_, std::nullopt);
  auto batch = ahead && ahead->position == position ? ahead->batch.get() : task_.batch(request(position));
  if (next && !method_.selects()) {
    ahead_ = {*next, std::async(std::launch::async,
                                [&task = task_, asked = request(*next)] { return task.batch(asked); })};
  }
  return batch;
}

BatchRequest BatchSource::request(const MicroBatchPosition& position) {
  return {method_.select(order_.visits({position.epoch, position.index})), seed_};
}

}  // namespace vcas::training
