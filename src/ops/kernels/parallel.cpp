#include "ops/kernels/parallel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>

namespace vcas::ops::kernels {

int thread_count() { return at::get_num_threads(); }

void parallel_tasks(int64_t count, const std::function<void(int64_t index, int slot)>& task) {
  std::atomic<int64_t> next = 0;
  // Tasks are taken one at a time: a thread that the machine holds up does not hold up the others.
  const auto work = [&](int64_t slot) {
    for (int64_t index = next++; index < count; index = next++) task(index, static_cast<int>(slot));
  };
  at::parallel_for(0, std::min<int64_t>(count, thread_count()), /*grain_size=*/1,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t slot = begin; slot < end; ++slot) work(slot);
                   });
}

}  // namespace vcas::ops::kernels
