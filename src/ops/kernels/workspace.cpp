#include "ops/kernels/workspace.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace vcas::ops::kernels {
namespace {

/// Workspaces that nobody leases. Never destroyed: another thread may return one while the process ends.
class IdleWorkspaces {
 public:
  WorkspaceLease lease() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) {
      // Room for every workspace, so that returning one cannot fail.
      idle_.reserve(++created_);
      return WorkspaceLease(new Workspace);
    }
    // The one returned last: the processor's caches may still hold it.
    WorkspaceLease leased(idle_.back().release());
    idle_.pop_back();
    return leased;
  }

  void take_back(Workspace* workspace) {
    const std::lock_guard lock(mutex_);
    idle_.emplace_back(workspace);
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;
  size_t created_ = 0;
};

IdleWorkspaces& idle_workspaces() {
  static auto* const workspaces = new IdleWorkspaces;
  return *workspaces;
}

}  // namespace

void* GrowingBuffer::bytes(size_t size) {
  if (size <= capacity_) return memory_.get();
  const size_t wanted = std::max(size, capacity_ + capacity_ / 2);
  memory_.reset();
  capacity_ = 0;
  memory_ = allocate_aligned(wanted);
  capacity_ = wanted;
  return memory_.get();
}

void Workspace::reserve_threads(int threads) {
  if (threads_.size() < static_cast<size_t>(threads)) threads_.resize(static_cast<size_t>(threads));
}

void ReturnWorkspace::operator()(Workspace* workspace) const { idle_workspaces().take_back(workspace); }

WorkspaceLease lease_workspace() { return idle_workspaces().lease(); }

}  // namespace vcas::ops::kernels
