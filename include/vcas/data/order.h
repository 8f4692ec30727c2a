#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace vcas::data {

/// One of several equal parts of every epoch: batches part, part + count, part + 2·count, …
struct Shard {
  int64_t index = 0;
  int64_t count = 1;
};

struct OrderOptions {
  uint64_t seed = 0;
  int64_t batch_size = 32;
  /// Texts of about the same length come together: the shuffled order is sorted by length within windows of
  /// this many batches, then the batches are shuffled. Below 2: no sorting.
  int64_t bucket_batches = 0;
  /// All shards have the same number of batches: where the epoch's do not divide, its first ones come again.
  Shard shard = {};
};

/// An example of a batch. What is random in it (masks, augmentation) is keyed by both numbers.
struct Visit {
  int64_t example = 0;
  int64_t visit = 0;  ///< the epoch
  double weight = 1;  ///< of its loss

  bool operator==(const Visit&) const = default;
};

/// Where a run stands; all that resuming needs.
struct OrderPosition {
  int64_t epoch = 0;
  int64_t micro_batch = 0;  ///< in this epoch

  bool operator==(const OrderPosition&) const = default;
};

/// The order in which a run meets the examples. Each epoch's order is a function of (seed, epoch) alone, the
/// same on every platform: examples sorted by a keyed hash of their index. Every example comes once an epoch;
/// the smaller last batch, if any, is the epoch's last and is drawn from all lengths.
class TrainingOrder {
 public:
  /// @param lengths [n] tokens of each example, n ≥ 1. Read only with bucket_batches.
  /// @throws std::invalid_argument when there is no example, batch_size < 1, or a shard that does not exist.
  TrainingOrder(std::span<const int64_t> lengths, OrderOptions options);

  /// Of the shard.
  int64_t batches_per_epoch() const;
  /// Example indices of one micro-batch. O(n log n) for the first of an epoch, then O(batch).
  /// @throws std::out_of_range for a position outside the epoch.
  std::vector<int64_t> batch(const OrderPosition& position);
  /// The same with the number of the visit.
  std::vector<Visit> visits(const OrderPosition& position);
  /// Whether the micro-batches of all shards there have batch_size examples: the same answer on every shard.
  bool is_full_size(const OrderPosition& position) const;
  OrderPosition after(const OrderPosition& position) const;

 private:
  int64_t all_batches() const;
  /// A shard's micro-batch among those of all.
  int64_t global_batch(int64_t micro_batch, int64_t shard) const;
  std::vector<int64_t> epoch_order(int64_t epoch) const;
  void bucket(std::span<int64_t> full_batches, int64_t epoch) const;

  std::vector<int64_t> lengths_;
  OrderOptions options_;
  int64_t epoch_ = -1;  ///< that order_ belongs to
  std::vector<int64_t> order_;
};

/// Batches for evaluation: every example once, sorted by length, so that a batch holds about equal lengths.
/// PackedTexts::examples says where each result belongs.
/// @param most_tokens of a batch; an example that is longer is a batch by itself.
/// @throws std::invalid_argument when either limit is below 1.
std::vector<std::vector<int64_t>> evaluation_batches(
    std::span<const int64_t> lengths, int64_t batch_size,
    int64_t most_tokens = std::numeric_limits<int64_t>::max());

}  // namespace vcas::data
