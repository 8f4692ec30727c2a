#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "ops/kernels/adamw.h"

namespace vcas::training {

/// A parameter with its moments, [rows, width] float32 on the CPU, all contiguous.
struct AdamWTensors {
  at::Tensor param, exp_avg, exp_avg_sq;
};

/// AdamW of a parameter of whose rows a step touches few: a row that has no gradient is left behind, and
/// given the steps that it missed, one by one, before it is read or gets a gradient. So the weights have the
/// bits of the dense optimizer.
class LazyRows {
 public:
  /// @param most_steps after which all rows are caught up, so that the list of steps stays short.
  explicit LazyRows(AdamWTensors tensors, size_t most_steps = 4096);

  /// Gives these rows all steps so far. @param rows [*] int64, repeated or not.
  /// @throws c10::Error naming a row that the parameter does not have; nothing is changed then, nor in
  /// step().
  void catch_up(const at::Tensor& rows);
  void catch_up_all();

  /// A step of the rows that have a gradient, which must be caught up, and one missed by all others.
  /// @param gradient coalesced sparse COO of the parameter's shape with one sparse dimension.
  /// @throws c10::Error naming what does not fit, or a row that was not caught up, and so was read before its
  /// update.
  void step(const ops::kernels::AdamWOptions& options, const at::Tensor& gradient);

 private:
  std::span<const int64_t> checked_rows(const at::Tensor& rows) const;
  void give_missed_steps(std::span<const int64_t> rows);
  ops::kernels::AdamWRows rows_of(std::span<const ops::kernels::AdamWRow> rows) const;

  AdamWTensors tensors_;
  size_t most_steps_;
  std::vector<ops::kernels::AdamWFactors> steps_;  ///< since all rows had all steps
  std::vector<int64_t> steps_had_;                 ///< by row, of steps_
};

}  // namespace vcas::training
