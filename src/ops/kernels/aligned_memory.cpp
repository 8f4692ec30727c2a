#include "ops/kernels/aligned_memory.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <cstdlib>
#include <new>

namespace vcas::ops::kernels {
namespace {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

void FreeMemory::operator()(void* memory) const { std::free(memory); }

AlignedMemory allocate_aligned(size_t size) {
  void* memory = nullptr;
  // Unlike std::aligned_alloc it takes sizes that are no multiple of the alignment: no half-used huge page.
  if (posix_memalign(&memory, size >= kHugePage ? kHugePage : kCacheLine, size) != 0) throw std::bad_alloc();
#ifdef __linux__
  // Advice only: a kernel without huge pages serves small ones.
  if (size >= kHugePage) madvise(memory, size, MADV_HUGEPAGE);
#endif
  return AlignedMemory(memory);
}

}  // namespace vcas::ops::kernels
