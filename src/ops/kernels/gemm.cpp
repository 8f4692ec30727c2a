#include "ops/kernels/gemm.h"

#include <ATen/native/CPUBlas.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>

#include "ops/kernels/gemm_detail.h"

namespace vcas::ops::kernels {
namespace {

bool try_brgemm() {
  constexpr int64_t kSize = 16;
  alignas(64) float a[kSize * kSize], b[kSize * kSize], c[kSize * kSize];
  std::fill(std::begin(a), std::end(a), 1.0f);
  std::fill(std::begin(b), std::end(b), 2.0f);
  std::fill(std::begin(c), std::end(c), 1.0f);
  try {
    at::native::cpublas::brgemm(kSize, kSize, kSize, kSize, kSize, kSize, /*add_C=*/true, a, b, c);
    at::native::cpublas::brgemm_release(/*is_vnni=*/false);
  } catch (const std::exception&) {
    return false;
  }
  return std::all_of(std::begin(c), std::end(c), [](float value) { return value == 2.0f * kSize + 1.0f; });
}

bool use_brgemm(GemmBackend backend) {
  if (backend == GemmBackend::aten) return false;
  TORCH_CHECK(backend == GemmBackend::automatic || brgemm_available(),
              "matmul: expected a CPU and a LibTorch that run float32 brgemm, got neither");
  return brgemm_available();
}

}  // namespace

bool brgemm_available() {
  static const bool available = try_brgemm();
  return available;
}

void matmul_nt(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias, float* c,
               int64_t ldc, Workspace& workspace, GemmBackend backend) {
  if (m == 0) return;
  if (!use_brgemm(backend)) return detail::matmul_nt_aten(a, m, n, k, w, bias, c, ldc);
  detail::matmul_nt_brgemm(a, m, n, k, w, bias, c, ldc, workspace);
}

void matmul_nn(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c, int64_t ldc,
               bool accumulate, Workspace& workspace, GemmBackend backend) {
  if (m == 0) return;
  if (!use_brgemm(backend)) return detail::matmul_nn_aten(a, m, n, k, w, c, ldc, accumulate);
  detail::matmul_nn_brgemm(a, m, n, k, w, c, ldc, accumulate, workspace);
}

void matmul_tn(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c,
               Workspace& workspace, GemmBackend backend) {
  if (rows == 0) {
    std::fill_n(c, n * k, 0.0f);
  } else if (use_brgemm(backend)) {
    detail::weight_gradient_brgemm(dz, x, rows, n, k, c, workspace);
  } else {
    detail::matmul_tn_aten(dz, x, rows, n, k, c);
  }
}

}  // namespace vcas::ops::kernels
