#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ops/kernels/aligned_memory.h"

namespace vcas::ops::kernels {

/// Uninitialised memory that grows and never shrinks, aligned to 64 bytes. Growing discards the contents.
/// Large buffers that are allocated afresh are page-faulted on every call, which halves the speed of two
/// threads; a buffer that is kept is not.
class GrowingBuffer {
 public:
  /// At least `count` floats; valid until the next call asks for more.
  float* floats(int64_t count) {
    return static_cast<float*>(bytes(sizeof(float) * static_cast<size_t>(count)));
  }
  double* doubles(int64_t count) {
    return static_cast<double*>(bytes(sizeof(double) * static_cast<size_t>(count)));
  }

 private:
  void* bytes(size_t size);

  AlignedMemory memory_;
  size_t capacity_ = 0;
};

/// Scratch memory of the kernels: one buffer for each thread of a parallel region and one that they share.
/// What a kernel leaves there means nothing after it returns. One workspace serves any number of kernel calls
/// one after another, but not two at a time.
class Workspace {
 public:
  /// To be called outside a parallel region, before thread().
  void reserve_threads(int threads);
  GrowingBuffer& thread(int slot) { return threads_[static_cast<size_t>(slot)]; }
  GrowingBuffer& shared() { return shared_; }

 private:
  std::vector<GrowingBuffer> threads_;
  GrowingBuffer shared_;
};

struct ReturnWorkspace {
  void operator()(Workspace* workspace) const;
};
using WorkspaceLease = std::unique_ptr<Workspace, ReturnWorkspace>;

/// A workspace for one operator's kernels, with the buffers that an earlier one left grown. Any thread may
/// call; there are never more workspaces than were leased at once, and they live as long as the process.
WorkspaceLease lease_workspace();

}  // namespace vcas::ops::kernels
