#include "ops/kernels/memory_pool.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

namespace vcas::ops::kernels {
namespace {

constexpr size_t kSmallestBlock = 512;
constexpr uint64_t kIdleTurnovers = 32;

/// Batches differ in their rows from step to step; sizes in eighths of a power of two let them share blocks.
size_t size_class(size_t size) {
  if (size <= kSmallestBlock) return kSmallestBlock;
  const size_t step = std::bit_floor(size - 1) / 8;
  return (size + step - 1) / step * step;
}

}  // namespace

MemoryPool::~MemoryPool() {
  while (!free_.empty()) drop_oldest();
}

void* MemoryPool::allocate(size_t size) {
  const std::lock_guard lock(mutex_);
  Block block = take(size_class(size));
  void* memory = block.memory.get();
  // A block hides from AddressSanitizer what malloc would show: use after release and past the end.
  ASAN_POISON_MEMORY_REGION(memory, block.size);
  ASAN_UNPOISON_MEMORY_REGION(memory, size);
  // release() must not fail: the list has room for every block before any of them comes back.
  free_.reserve(free_.size() + in_use_.size() + 1);
  const size_t block_size = block.size;
  in_use_.emplace(memory, std::move(block));
  statistics_.bytes_in_use += block_size;
  statistics_.peak_bytes_in_use = std::max(statistics_.peak_bytes_in_use, statistics_.bytes_in_use);
  bytes_handed_out_ += block_size;
  drop_surplus();
  return memory;
}

void MemoryPool::release(void* memory) noexcept {
  if (!memory) return;
  const std::lock_guard lock(mutex_);
  const auto found = in_use_.find(memory);
  Block block = std::move(found->second);
  in_use_.erase(found);
  ASAN_POISON_MEMORY_REGION(memory, block.size);
  statistics_.bytes_in_use -= block.size;
  statistics_.bytes_held += block.size;
  block.released_at = bytes_handed_out_;
  free_.push_back(std::move(block));
}

MemoryPoolStatistics MemoryPool::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

void MemoryPool::restart_peak() {
  const std::lock_guard lock(mutex_);
  statistics_.peak_bytes_in_use = statistics_.bytes_in_use;
  drop_surplus();
}

/// The smallest free block that is large enough, of equal ones that released last (the processor's caches may
/// still hold it); a fresh one where all of them are too small or more than twice too large.
MemoryPool::Block MemoryPool::take(size_t size) {
  auto best = free_.rend();
  for (auto block = free_.rbegin(); block != free_.rend(); ++block) {
    const bool fits = block->size >= size && block->size <= 2 * size;
    if (fits && (best == free_.rend() || block->size < best->size)) best = block;
  }
  if (best == free_.rend()) {
    ++statistics_.fresh_allocations;
    return {allocate_aligned(size), size, 0};
  }
  Block block = std::move(*best);
  free_.erase(std::next(best).base());
  statistics_.bytes_held -= block.size;
  return block;
}

void MemoryPool::drop_oldest() noexcept {
  const Block& oldest = free_.front();
  ASAN_UNPOISON_MEMORY_REGION(oldest.memory.get(), oldest.size);
  statistics_.bytes_held -= oldest.size;
  free_.erase(free_.begin());
}

void MemoryPool::drop_surplus() noexcept {
  // A quarter above the peak: blocks that fit loosely need not be exchanged for exact ones in every step.
  const size_t limit = statistics_.peak_bytes_in_use + statistics_.peak_bytes_in_use / 4;
  const uint64_t patience = kIdleTurnovers * statistics_.peak_bytes_in_use;
  while (!free_.empty() && (statistics_.bytes_in_use + statistics_.bytes_held > limit ||
                            bytes_handed_out_ - free_.front().released_at > patience))
    drop_oldest();
}

MemoryPool& memory_pool() {
  static auto* const pool = new MemoryPool;
  return *pool;
}

}  // namespace vcas::ops::kernels
