#include "ops/kernels/pooled_tensor.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/Allocator.h>
#include <c10/util/accumulate.h>

#include "ops/kernels/memory_pool.h"

namespace vcas::ops::kernels {
namespace {

constexpr size_t kSmallestPooled = size_t{64} << 10;

void release(void* memory) { memory_pool().release(memory); }

/// An allocator rather than from_blob, so that a pooled tensor can be resized like any other.
class PoolAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    void* memory = size == 0 ? nullptr : memory_pool().allocate(size);
    return {memory, memory, &release, at::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t size) const override {
    default_copy_data(to, from, size);
  }
};

/// Never destroyed, as storages point to it.
c10::Allocator* pool_allocator() {
  static auto* const allocator = new PoolAllocator;
  return allocator;
}

}  // namespace

at::Tensor pooled_empty(at::IntArrayRef sizes, at::ScalarType type) {
  const auto bytes = static_cast<size_t>(c10::multiply_integers(sizes)) * c10::elementSize(type);
  if (bytes < kSmallestPooled) return at::empty(sizes, type);
  return at::detail::empty_generic(sizes, pool_allocator(), c10::DispatchKeySet(c10::DispatchKey::CPU), type,
                                   std::nullopt);
}

at::Tensor pooled_zeros(at::IntArrayRef sizes, at::ScalarType type) {
  return pooled_empty(sizes, type).zero_();
}

}  // namespace vcas::ops::kernels
