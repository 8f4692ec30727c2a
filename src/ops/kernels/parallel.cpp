#include "ops/kernels/parallel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <tuple>
#include <utility>

namespace vcas::ops::kernels {
namespace {

/// Hands out [0, count) in shares that become smaller towards the end: a thread that the machine holds up
/// does not hold up the others, and the threads seldom contend for the counter.
class GuidedSchedule {
 public:
  GuidedSchedule(int64_t count, int64_t threads) : count_(count), divisor_(kSharesOfAThread * threads) {}

  /// The next share; empty when all is handed out.
  std::pair<int64_t, int64_t> take() {
    int64_t begin = next_.load(std::memory_order_relaxed);
    while (begin < count_) {
      const int64_t end = begin + std::max<int64_t>(1, (count_ - begin) / divisor_);
      if (next_.compare_exchange_weak(begin, end, std::memory_order_relaxed)) return {begin, end};
    }
    return {count_, count_};
  }

 private:
  /// Of what is left, in equal shares: the larger, the more even the threads' work, and the more contention.
  static constexpr int64_t kSharesOfAThread = 6;

  std::atomic<int64_t> next_ = 0;
  int64_t count_;
  int64_t divisor_;
};

}  // namespace

int thread_count() { return at::get_num_threads(); }

void parallel_tasks(int64_t count, const std::function<void(int64_t index, int slot)>& task) {
  const int64_t threads = std::min<int64_t>(count, thread_count());
  GuidedSchedule schedule(count, std::max<int64_t>(1, threads));
  const auto work = [&](int64_t slot) {
    for (auto [index, end] = schedule.take(); index < end; std::tie(index, end) = schedule.take()) {
      for (; index < end; ++index) task(index, static_cast<int>(slot));
    }
  };
  at::parallel_for(0, threads, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot) work(slot);
  });
}

}  // namespace vcas::ops::kernels
