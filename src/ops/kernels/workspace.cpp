#include "ops/kernels/workspace.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <new>

namespace vcas::ops::kernels {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t size, size_t multiple) { return (size + multiple - 1) / multiple * multiple; }

void* allocate(size_t size, size_t alignment) {
  void* memory = std::aligned_alloc(alignment, size);
  if (!memory) throw std::bad_alloc();
#ifdef __linux__
  // Advice only: a kernel without huge pages serves small ones.
  if (alignment == kHugePage) madvise(memory, size, MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace

void GrowingBuffer::Free::operator()(void* memory) const { std::free(memory); }

void* GrowingBuffer::bytes(size_t size) {
  if (size <= capacity_) return memory_.get();
  const size_t wanted = std::max(size, capacity_ + capacity_ / 2);
  const size_t alignment = wanted >= kHugePage ? kHugePage : kCacheLine;
  memory_.reset();
  capacity_ = 0;
  const size_t capacity = round_up(wanted, alignment);
  memory_.reset(allocate(capacity, alignment));
  capacity_ = capacity;
  return memory_.get();
}

void Workspace::reserve_threads(int threads) {
  if (threads_.size() < static_cast<size_t>(threads)) threads_.resize(static_cast<size_t>(threads));
}

}  // namespace vcas::ops::kernels
