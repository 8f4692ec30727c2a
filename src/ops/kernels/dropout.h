#pragma once

#include <array>
#include <cstdint>

#include "ops/kernels/row_view.h"
#include "ops/kernels/workspace.h"
#include "vcas/sampling/stream.h"

namespace vcas::ops::kernels {

/// Keyed dropout: element (row, column) is kept iff word column%4 of Philox 4x32-10 at counter
/// [column/4 | row | stream] is at least threshold = round(p·2³²); what is kept is multiplied by 1/(1-p).
/// The mask is a function of the key, so it needs no storage, and compacted rows find theirs by original row
/// number.
struct DropoutMask {
  std::array<uint32_t, 2> key{};
  std::array<uint32_t, 2> counter_high{};
  uint32_t threshold = 0;
  float scale = 1.0f;

  /// p = 0: no dropout; Philox is not run.
  DropoutMask() = default;
  /// @param probability in [0, 1). @throws c10::Error "dropout: expected a probability in [0, 1), got 1.5".
  DropoutMask(const sampling::StreamKey& stream, double probability);

  bool active() const { return threshold != 0; }
};

/// Factors of columns [first_column, first_column + count) of one row: 0 or mask.scale (1 throughout when
/// inactive).
/// @param first_column a multiple of 4.
void dropout_factors(const DropoutMask& mask, uint32_t row, uint32_t first_column, int64_t count,
                     float* factors);

struct DropoutForward {
  RowView input{};  ///< [rows x columns]
  DropoutMask mask{};
  const int64_t* mask_rows = nullptr;  ///< row number of each row in the mask; null: r
  float* output =
      nullptr;  ///< [rows x columns], contiguous; may be the input when that is contiguous and not gathered
};
/// output = mask ∘ input.
void dropout_forward(const DropoutForward& args, int64_t rows, int64_t columns, Workspace& workspace);

struct DropoutBackward {
  RowView grad_output{};  ///< [rows x columns], scaled on reading
  DropoutMask mask{};
  const int64_t* mask_rows = nullptr;  ///< row of the uncompacted batch of each row; null: r
  float* grad_input = nullptr;   ///< [rows x columns], contiguous; may be grad_output as in DropoutForward
  double* row_norms = nullptr;   ///< [rows] ‖grad_input_r‖, or null
  float* column_sums = nullptr;  ///< [columns] Σ_r grad_input_r (the bias gradient before it), or null
};
/// grad_input = mask ∘ grad_output.
void dropout_backward(const DropoutBackward& args, int64_t rows, int64_t columns, Workspace& workspace);

}  // namespace vcas::ops::kernels
