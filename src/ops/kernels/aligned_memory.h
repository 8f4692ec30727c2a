#pragma once

#include <cstddef>
#include <memory>

namespace vcas::ops::kernels {

struct FreeMemory {
  void operator()(void* memory) const;
};
using AlignedMemory = std::unique_ptr<void, FreeMemory>;

/// Uninitialised memory of `size` bytes: from 2 MiB on aligned to 2 MiB and, on Linux, advised to lie on huge
/// pages, which fault 512 times less often than small ones; below aligned to 64 bytes.
/// @throws std::bad_alloc
AlignedMemory allocate_aligned(size_t size);

}  // namespace vcas::ops::kernels
