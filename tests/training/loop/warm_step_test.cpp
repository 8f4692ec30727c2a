#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <atomic>

#include "ops/kernels/memory_pool.h"
#include "training/small_bert.h"
#include "vcas/training/loop/trainer.h"
#include "vcas/training/methods/exact.h"
#include "vcas/training/methods/vcas.h"

namespace vcas::training {
namespace warm_step_test {

using testing::SmallBert;
using testing::SmallBertOptions;

/// From here on malloc asks the operating system for memory, and gives it back.
constexpr size_t kLarge = 64 * 1024;

/// PyTorch's allocator of CPU tensors, with its large allocations counted.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() : inner_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, kPriority); }
  ~CountingAllocator() override { c10::SetCPUAllocator(inner_, kPriority); }
  CountingAllocator(const CountingAllocator&) = delete;
  CountingAllocator& operator=(const CountingAllocator&) = delete;

  c10::DataPtr allocate(size_t size) override {
    if (size >= kLarge) ++large_;
    return inner_->allocate(size);
  }
  void copy_data(void* target, const void* source, size_t size) const override {
    inner_->copy_data(target, source, size);
  }
  c10::DeleterFnPtr raw_deleter() const override { return inner_->raw_deleter(); }

  int64_t large() const { return large_; }

 private:
  static constexpr uint8_t kPriority = 200;

  c10::Allocator* inner_;
  std::atomic<int64_t> large_ = 0;
};

constexpr SmallBertOptions kModel{.hidden_size = 160, .blocks = 3, .batch_size = 64, .texts = 256};

/// Large allocations in warm steps: of PyTorch's tensors, and of the operators' pool.
void expect_no_large_allocation(SmallBert& run, Method& method) {
  // Sampled steps ask for other sizes each time: the pool has met all of them after some tens.
  constexpr int kWarmUp = 60, kSteps = 12;
  TrainOptions options = run.train_options;
  options.max_steps = 1000;
  Trainer trainer(options, run.task, method);
  for (int i = 0; i < kWarmUp; ++i) trainer.step();
  const auto fresh = ops::kernels::memory_pool().statistics().fresh_allocations;
  ASSERT_GT(fresh, 0) << "the operators take their memory from the pool";
  const CountingAllocator allocator;
  for (int i = 0; i < kSteps; ++i) trainer.step();
  EXPECT_EQ(allocator.large(), 0);
  EXPECT_EQ(ops::kernels::memory_pool().statistics().fresh_allocations, fresh);
}

TEST(WarmStep, OfExactTrainingAllocatesNothingLarge) {
  SmallBert run(kModel);
  ExactMethod method;
  expect_no_large_allocation(run, method);
}

TEST(WarmStep, OfSampledTrainingAllocatesNothingLarge) {
  SmallBert run(kModel);
  control::ControllerOptions options;
  options.cal_var_freq = 1000;  // one adaptation, among the steps of the warm-up
  VcasMethod method(options, run.task.model(), /*seed=*/1);
  expect_no_large_allocation(run, method);
  EXPECT_LT(method.status()->sample_keep_ratio.front(), 1) << "the steps were sampled";
}

}  // namespace warm_step_test
}  // namespace vcas::training
