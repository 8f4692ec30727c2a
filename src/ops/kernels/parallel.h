#pragma once

#include <cstdint>
#include <functional>

namespace vcas::ops::kernels {

/// Threads that a parallel region of the kernels has: ATen's setting.
int thread_count();

/// Calls task(index, slot) once for every index in [0, count), on several threads, in no fixed order; slot in
/// [0, thread_count()) is the calling thread's. Results are the same for every order and every number of
/// threads as long as each task writes memory of its own. The first exception of a task is thrown again here.
void parallel_tasks(int64_t count, const std::function<void(int64_t index, int slot)>& task);

}  // namespace vcas::ops::kernels
