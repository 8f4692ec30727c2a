#include "vcas/data/order.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "data/keyed_hash.h"

namespace vcas::data {
namespace {

/// 0..count-1 sorted by their keyed hashes.
std::vector<int64_t> keyed_permutation(int64_t count, uint64_t seed, OrderPurpose purpose, int64_t epoch) {
  std::vector<std::pair<uint64_t, int64_t>> keys;
  keys.reserve(static_cast<std::size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    keys.emplace_back(keyed_hash(seed, purpose, static_cast<uint64_t>(epoch), static_cast<uint64_t>(i)), i);
  }
  std::ranges::sort(keys);
  std::vector<int64_t> result;
  result.reserve(keys.size());
  for (const auto& [key, index] : keys) result.push_back(index);
  return result;
}

void sort_by_length(std::span<int64_t> examples, std::span<const int64_t> lengths) {
  std::ranges::stable_sort(examples, {},
                           [&](int64_t example) { return lengths[static_cast<std::size_t>(example)]; });
}

void require_batch_size(int64_t batch_size) {
  if (batch_size < 1) {
    throw std::invalid_argument("expected batch_size of at least 1, got " + std::to_string(batch_size));
  }
}

}  // namespace

TrainingOrder::TrainingOrder(std::span<const int64_t> lengths, OrderOptions options)
    : lengths_(lengths.begin(), lengths.end()), options_(options) {
  require_batch_size(options_.batch_size);
  if (lengths_.empty()) throw std::invalid_argument("TrainingOrder: expected at least one example, got none");
  const auto& [index, count] = options_.shard;
  if (count < 1 || index < 0 || index >= count) {
    throw std::invalid_argument("TrainingOrder: expected a shard below " + std::to_string(count) + ", got " +
                                std::to_string(index));
  }
}

int64_t TrainingOrder::batches_per_epoch() const {
  return (all_batches() + options_.shard.count - 1) / options_.shard.count;
}

int64_t TrainingOrder::all_batches() const {
  return (static_cast<int64_t>(lengths_.size()) + options_.batch_size - 1) / options_.batch_size;
}

std::vector<int64_t> TrainingOrder::batch(const OrderPosition& position) {
  if (position.epoch < 0 || position.micro_batch < 0 || position.micro_batch >= batches_per_epoch()) {
    throw std::out_of_range(
        "TrainingOrder: expected a micro-batch in [0, " + std::to_string(batches_per_epoch() - 1) +
        "], got " + std::to_string(position.micro_batch) + " of epoch " + std::to_string(position.epoch));
  }
  if (position.epoch != epoch_) {
    order_ = epoch_order(position.epoch);
    epoch_ = position.epoch;
  }
  const int64_t begin = global_batch(position.micro_batch, options_.shard.index) * options_.batch_size;
  const int64_t end = std::min(begin + options_.batch_size, static_cast<int64_t>(order_.size()));
  return {order_.begin() + begin, order_.begin() + end};
}

std::vector<Visit> TrainingOrder::visits(const OrderPosition& position) {
  std::vector<Visit> visits;
  for (const int64_t example : batch(position)) visits.push_back({example, position.epoch});
  return visits;
}

int64_t TrainingOrder::global_batch(int64_t micro_batch, int64_t shard) const {
  return (micro_batch * options_.shard.count + shard) % all_batches();
}

bool TrainingOrder::is_full_size(const OrderPosition& position) const {
  const auto examples = static_cast<int64_t>(lengths_.size());
  for (int64_t shard = 0; shard < options_.shard.count; ++shard) {
    if ((global_batch(position.micro_batch, shard) + 1) * options_.batch_size > examples) return false;
  }
  return true;
}

OrderPosition TrainingOrder::after(const OrderPosition& position) const {
  return position.micro_batch + 1 < batches_per_epoch()
             ? OrderPosition{position.epoch, position.micro_batch + 1}
             : OrderPosition{position.epoch + 1, 0};
}

std::vector<int64_t> TrainingOrder::epoch_order(int64_t epoch) const {
  auto order =
      keyed_permutation(static_cast<int64_t>(lengths_.size()), options_.seed, OrderPurpose::examples, epoch);
  if (options_.bucket_batches > 1) {
    const auto partial = order.size() % static_cast<std::size_t>(options_.batch_size);
    bucket(std::span(order).first(order.size() - partial), epoch);
  }
  return order;
}

void TrainingOrder::bucket(std::span<int64_t> full_batches, int64_t epoch) const {
  const auto batch = static_cast<std::size_t>(options_.batch_size);
  const auto window =
      std::min(batch * static_cast<std::size_t>(options_.bucket_batches), full_batches.size());
  for (std::size_t begin = 0; begin < full_batches.size(); begin += window) {
    sort_by_length(full_batches.subspan(begin, std::min(window, full_batches.size() - begin)), lengths_);
  }
  const std::vector<int64_t> sorted(full_batches.begin(), full_batches.end());
  auto out = full_batches.begin();
  for (const int64_t from : keyed_permutation(static_cast<int64_t>(full_batches.size() / batch),
                                              options_.seed, OrderPurpose::batches, epoch)) {
    out = std::copy_n(sorted.begin() + from * options_.batch_size, batch, out);
  }
}

std::vector<std::vector<int64_t>> evaluation_batches(std::span<const int64_t> lengths, int64_t batch_size,
                                                     int64_t most_tokens) {
  require_batch_size(batch_size);
  if (most_tokens < 1)
    throw std::invalid_argument("most_tokens: expected at least 1, got " + std::to_string(most_tokens));
  std::vector<int64_t> examples(lengths.size());
  std::iota(examples.begin(), examples.end(), int64_t{0});
  sort_by_length(examples, lengths);
  std::vector<std::vector<int64_t>> batches;
  int64_t room = 0;  // in the last batch, for tokens
  for (const int64_t example : examples) {
    const int64_t tokens = lengths[static_cast<size_t>(example)];
    if (batches.empty() || tokens > room || std::ssize(batches.back()) == batch_size) {
      batches.emplace_back();
      room = most_tokens;
    }
    batches.back().push_back(example);
    room -= tokens;
  }
  return batches;
}

}  // namespace vcas::data
