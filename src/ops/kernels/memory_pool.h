#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "ops/kernels/aligned_memory.h"

namespace vcas::ops::kernels {

/// Sizes are those of whole blocks, in bytes: what was asked for, rounded up by at most 1/8, or a free block
/// of up to twice that.
struct MemoryPoolStatistics {
  size_t bytes_in_use = 0;
  size_t peak_bytes_in_use = 0;
  size_t bytes_held = 0;  ///< free, kept to be used again
  int64_t fresh_allocations = 0;
};

/// Large blocks of memory that are used again. The C library gives large blocks back to the operating system,
/// and the next training step has them page-faulted and cleared once more.
/// bytes_in_use + bytes_held never exceeds 5/4 of peak_bytes_in_use, and a block that nobody wanted while
/// 32 times that peak was handed out (some ten training steps or more) goes back to the C library.
/// Any thread may call any method. What is still in use must not outlive the pool.
class MemoryPool {
 public:
  MemoryPool() = default;
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;
  ~MemoryPool();

  /// Uninitialised memory, aligned as by allocate_aligned. @throws std::bad_alloc
  void* allocate(size_t size);
  /// @param memory of this pool's allocate(), or null.
  void release(void* memory) noexcept;

  MemoryPoolStatistics statistics() const;
  /// Counts the peak anew, from what is in use now; blocks that the smaller peak does not allow are dropped.
  void restart_peak();

 private:
  struct Block {
    AlignedMemory memory;
    size_t size = 0;
    uint64_t released_at = 0;  ///< bytes_handed_out_ at that time
  };

  Block take(size_t size);
  void drop_oldest() noexcept;
  void drop_surplus() noexcept;

  mutable std::mutex mutex_;
  std::unordered_map<void*, Block> in_use_;
  std::vector<Block> free_;  ///< the one released last is at the end
  uint64_t bytes_handed_out_ = 0;
  MemoryPoolStatistics statistics_;
};

/// The pool of this process, never destroyed: tensors may die after every static object has.
MemoryPool& memory_pool();

}  // namespace vcas::ops::kernels
