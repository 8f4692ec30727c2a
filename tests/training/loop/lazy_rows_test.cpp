#include "training/loop/lazy_rows.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace vcas::training {
namespace lazy_rows_test {

AdamWTensors tensors() {
  const at::Tensor param = at::sin(at::arange(21, at::kFloat)).view({7, 3});
  return {param, at::zeros_like(param), at::zeros_like(param)};
}

at::Tensor gradient_of_row(int64_t row) {
  const std::vector<int64_t> rows = {row};
  return at::sparse_coo_tensor(at::tensor(rows).unsqueeze(0), at::full({1, 3}, 0.5f), {7, 3}).coalesce();
}

TEST(LazyRows, ALogThatIsEmptiedNowAndThenChangesNothing) {
  const auto whole = tensors(), emptied = tensors();
  LazyRows whole_rows(whole), emptied_rows(emptied, /*most_steps=*/3);
  for (int64_t step = 1; step <= 11; ++step) {
    for (LazyRows* rows : {&whole_rows, &emptied_rows}) {
      rows->catch_up(at::tensor(std::vector<int64_t>{step % 4}));
      rows->step({.learning_rate = 0.01, .weight_decay = 0.1, .step = step}, gradient_of_row(step % 4));
    }
  }
  whole_rows.catch_up_all();
  emptied_rows.catch_up_all();
  EXPECT_TRUE(at::equal(whole.param, emptied.param));
  EXPECT_TRUE(at::equal(whole.exp_avg, emptied.exp_avg));
  EXPECT_TRUE(at::equal(whole.exp_avg_sq, emptied.exp_avg_sq));
}

}  // namespace lazy_rows_test
}  // namespace vcas::training
