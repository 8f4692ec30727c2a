#pragma once

#include <cstdint>

#include "ops/kernels/row_view.h"
#include "ops/kernels/workspace.h"
#include "vcas/ops/precision.h"

namespace vcas::ops::kernels {

/// Matrix products of float32 matrices over at::native::cpublas::brgemm. Rows of the left operand are read in
/// place through a RowView. Every element is summed by one thread in an order that depends on the sizes only,
/// so equal inputs give equal bits with any number of threads. Over brgemm a row of matmul_nt or matmul_nn
/// has the same bits whichever rows are beside it. All sizes are at least 1 unless said otherwise.

enum class GemmBackend {
  automatic,  ///< brgemm where it works, else aten
  brgemm,     ///< oneDNN's JIT micro-kernel
  aten,       ///< at::mm on gathered copies: the plain reference, and the fallback
};

/// Whether this CPU and this LibTorch run brgemm of that precision; tried once per process.
bool brgemm_available(Precision precision = Precision::float32);

struct GemmOptions {
  Precision precision = Precision::float32;
  GemmBackend backend = GemmBackend::automatic;
};

/// C = A·Wᵀ + bias: the forward pass of a linear layer.
/// @param a [m x k] @param w [n x k], contiguous @param bias [n] or null @param c [m x n], row stride ldc.
void matmul_nt(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias, float* c,
               int64_t ldc, Workspace& workspace, const GemmOptions& options = {});

/// C = A·W, or C += A·W: the input gradient dX = dZ·W of a linear layer.
/// @param a [m x n] @param w [n x k], contiguous @param c [m x k], row stride ldc.
void matmul_nn(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c, int64_t ldc,
               bool accumulate, Workspace& workspace, const GemmOptions& options = {});

/// C = Σ_r dz_rᵀ·x_r over r in [0, rows): the weight gradient of a linear layer, each operand gathered and
/// scaled by its own view (for SampleW: dz.index, x.index the kept rows in their own buffers, dz.scale =
/// 1/q).
/// @param dz [rows x n] @param x [rows x k] @param c [n x k], contiguous, overwritten; rows = 0 gives zeros.
void matmul_tn(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c,
               Workspace& workspace, const GemmOptions& options = {});

}  // namespace vcas::ops::kernels
