#include "ops/kernels/workspace.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace vcas::ops::kernels {
namespace kernels_workspace_test {

TEST(GrowingBuffer, GrowsAndIsAligned) {
  GrowingBuffer buffer;
  for (const int64_t count : {1, 100, 50, 3 << 20}) {
    float* memory = buffer.floats(count);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
    memory[0] = 1.0f;
    memory[count - 1] = 2.0f;
  }
  float* kept = buffer.floats(10);
  EXPECT_EQ(buffer.floats(3 << 20), kept) << "a smaller request must not shrink the buffer";
}

TEST(LeaseWorkspace, NextOperatorGetsTheGrownBuffers) {
  const float* memory = lease_workspace()->shared().floats(1 << 20);
  EXPECT_EQ(lease_workspace()->shared().floats(1 << 20), memory);
}

TEST(LeaseWorkspace, OperatorsThatRunAtOnceHaveTheirOwn) {
  const auto first = lease_workspace(), second = lease_workspace();
  EXPECT_NE(first.get(), second.get());
}

TEST(LeaseWorkspace, WorkspacesAreAsManyAsWereLeasedAtOnce) {
  std::set<const Workspace*> seen;
  for (int i = 0; i < 100; ++i) {
    const auto first = lease_workspace(), second = lease_workspace();
    seen.insert({first.get(), second.get()});
  }
  EXPECT_EQ(seen.size(), 2u);
}

TEST(LeaseWorkspace, ServesSeveralThreads) {
  std::vector<std::thread> threads;
  threads.reserve(4);
  std::vector<int> mixed_up(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&mixed_up, t] {
      for (int i = 0; i < 2000; ++i) {
        const auto workspace = lease_workspace();
        volatile double* number = workspace->shared().doubles(16);
        *number = t;
        std::this_thread::yield();
        mixed_up[static_cast<size_t>(t)] += *number != t;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const int count : mixed_up) EXPECT_EQ(count, 0);
}

}  // namespace kernels_workspace_test
}  // namespace vcas::ops::kernels
