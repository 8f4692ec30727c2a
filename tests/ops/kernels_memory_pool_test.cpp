#include "ops/kernels/memory_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace vcas::ops::kernels {
namespace kernels_memory_pool_test {

constexpr size_t kKiB = size_t{1} << 10;
constexpr size_t kMiB = size_t{1} << 20;

bool is_aligned(const void* memory, size_t alignment) {
  return reinterpret_cast<uintptr_t>(memory) % alignment == 0;
}

TEST(MemoryPool, SlightlySmallerSizeGetsTheSameBlock) {
  MemoryPool pool;
  void* first = pool.allocate(3 * kMiB);
  pool.release(first);
  void* second = pool.allocate(3 * kMiB - 100 * kKiB);
  EXPECT_EQ(second, first);
  EXPECT_EQ(pool.statistics().fresh_allocations, 1);
  pool.release(second);
}

TEST(MemoryPool, SlightlyLargerSizeGetsTheSameBlockWithinItsSizeClass) {
  MemoryPool pool;
  void* first = pool.allocate(kMiB + 1);
  pool.release(first);
  void* second = pool.allocate(kMiB + kMiB / 8);
  EXPECT_EQ(second, first);
  pool.release(second);
}

TEST(MemoryPool, TakesTheSmallestBlockThatFits) {
  MemoryPool pool;
  void* large = pool.allocate(7 * kMiB);
  void* middle = pool.allocate(6 * kMiB);
  void* small = pool.allocate(4 * kMiB);
  for (void* memory : {middle, large, small}) pool.release(memory);
  void* again = pool.allocate(5 * kMiB);
  EXPECT_EQ(again, middle);
  pool.release(again);
}

TEST(MemoryPool, BlockOfMoreThanTwiceTheSizeIsLeftForOthers) {
  MemoryPool pool;
  void* large = pool.allocate(8 * kMiB);
  pool.release(large);
  void* small = pool.allocate(3 * kMiB);
  EXPECT_NE(small, large);
  EXPECT_EQ(pool.statistics().fresh_allocations, 2);
  pool.release(small);
}

TEST(MemoryPool, BlocksAreAlignedForVectorsAndHugePages) {
  MemoryPool pool;
  for (const size_t size : {size_t{1}, size_t{100}, 64 * kKiB, 2 * kMiB - 1, 2 * kMiB, 5 * kMiB + 3}) {
    void* memory = pool.allocate(size);
    EXPECT_TRUE(is_aligned(memory, size >= 2 * kMiB ? 2 * kMiB : 64)) << size;
    std::memset(memory, 1, size);
    pool.release(memory);
  }
}

TEST(MemoryPool, CountsWholeBlocks) {
  MemoryPool pool;
  void* a = pool.allocate(4 * kMiB);
  void* b = pool.allocate(2 * kMiB + 1);
  EXPECT_EQ(pool.statistics().bytes_in_use, 6 * kMiB + kMiB / 4);
  pool.release(a);
  EXPECT_EQ(pool.statistics().bytes_in_use, 2 * kMiB + kMiB / 4);
  EXPECT_EQ(pool.statistics().bytes_held, 4 * kMiB);
  EXPECT_EQ(pool.statistics().peak_bytes_in_use, 6 * kMiB + kMiB / 4);
  pool.release(b);
}

TEST(MemoryPool, ReleasesNothingForNull) {
  MemoryPool pool;
  pool.release(nullptr);
  EXPECT_EQ(pool.statistics().bytes_held, 0u);
}

TEST(MemoryPool, BlockThatNobodyWantsGoesBack) {
  MemoryPool pool;
  pool.release(pool.allocate(8 * kMiB));
  // 32 times the peak of 8 MiB, in blocks that the large one is too large for.
  for (size_t handed_out = 0; handed_out <= 32 * 8 * kMiB + 2 * kMiB; handed_out += kMiB)
    pool.release(pool.allocate(kMiB));
  EXPECT_EQ(pool.statistics().bytes_held, kMiB);
}

TEST(MemoryPool, CountsThePeakAnew) {
  MemoryPool pool;
  void* kept = pool.allocate(1 << 20);
  pool.release(pool.allocate(4 << 20));
  pool.restart_peak();
  EXPECT_EQ(pool.statistics().peak_bytes_in_use, pool.statistics().bytes_in_use);
  EXPECT_EQ(pool.statistics().bytes_held, 0U) << "more than a quarter of the peak";
  void* second = pool.allocate(1 << 20);
  EXPECT_EQ(pool.statistics().peak_bytes_in_use, size_t{2} << 20);
  pool.release(second);
  pool.release(kept);
}

/// Random sizes and lifetimes: every block keeps what was written to it, and the bound of the header holds.
TEST(MemoryPool, HoldsItsBoundAndKeepsBlocksApart) {
  MemoryPool pool;
  std::mt19937 random(5);
  std::vector<std::pair<unsigned char*, size_t>> live;
  for (int step = 0; step < 5000; ++step) {
    if (live.size() < 30 && (live.empty() || random() % 2 == 0)) {
      const size_t size = 1 + random() % (kKiB << random() % 10);
      live.emplace_back(static_cast<unsigned char*>(pool.allocate(size)), size);
      std::memset(live.back().first, static_cast<int>(live.back().second % 251), size);
    } else {
      const auto chosen = live.begin() + static_cast<int64_t>(random() % live.size());
      const auto [memory, size] = *chosen;
      ASSERT_EQ(memory[0], size % 251);
      ASSERT_EQ(memory[size / 2], size % 251);
      ASSERT_EQ(memory[size - 1], size % 251);
      pool.release(memory);
      live.erase(chosen);
    }
    const auto now = pool.statistics();
    ASSERT_LE(now.bytes_in_use + now.bytes_held, now.peak_bytes_in_use / 4 * 5 + 4);
  }
  EXPECT_LT(pool.statistics().fresh_allocations, 1500) << "of about 2500 allocations";
  for (const auto& [memory, size] : live) pool.release(memory);
  EXPECT_EQ(pool.statistics().bytes_in_use, 0u);
}

TEST(MemoryPool, ServesSeveralThreads) {
  MemoryPool pool;
  std::atomic<int> mixed_up = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, &mixed_up, t] {
      for (int i = 0; i < 2000; ++i) {
        const size_t size = 64 * kKiB + static_cast<size_t>(i % 7) * 4 * kKiB;
        auto* memory = static_cast<unsigned char*>(pool.allocate(size));
        std::memset(memory, t, size);
        mixed_up += memory[0] != t || memory[size - 1] != t;
        pool.release(memory);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(mixed_up, 0);
  EXPECT_EQ(pool.statistics().bytes_in_use, 0u);
  EXPECT_LT(pool.statistics().fresh_allocations, 100) << "of 8000 allocations";
}

TEST(MemoryPool, ThreadMayReleaseWhatAnotherAllocated) {
  MemoryPool pool;
  void* memory = pool.allocate(kMiB);
  std::thread([&] { pool.release(memory); }).join();
  EXPECT_EQ(pool.statistics().bytes_held, kMiB);
}

}  // namespace kernels_memory_pool_test
}  // namespace vcas::ops::kernels
