#include "ops/kernels/parallel.h"

#include <ATen/Parallel.h>
#include <omp.h>

#include <atomic>
#include <exception>

namespace vcas::ops::kernels {

int thread_count() { return at::get_num_threads(); }

void parallel_tasks(int64_t count, const std::function<void(int64_t index, int slot)>& task) {
  const int threads = thread_count();
  if (count <= 1 || threads <= 1 || omp_in_parallel()) {
    for (int64_t index = 0; index < count; ++index) task(index, 0);
    return;
  }
  std::exception_ptr error;
  std::atomic<bool> failed = false;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t index = 0; index < count; ++index) {
    if (failed) continue;
    try {
      task(index, omp_get_thread_num());
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace vcas::ops::kernels
