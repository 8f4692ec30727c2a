#include "ops/kernels/gemm.h"

#include <ATen/native/CPUBlas.h>
#include <c10/util/Exception.h>
#include <c10/util/env.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

#include "ops/kernels/gemm_detail.h"
#include "ops/kernels/gemm_operands.h"

namespace vcas::ops::kernels {
namespace {

using detail::BFloat16Operands;
using detail::Float32Operands;

/// A product of ones and twos, whose sums are exact in any precision, however B's rows are ordered.
template <class Operands>
bool try_brgemm() {
  constexpr int64_t kSize = 16;
  using Element = typename Operands::Element;
  alignas(64) std::array<Element, kSize * kSize> a;
  alignas(64) std::array<Element, kSize * kSize> b;
  alignas(64) std::array<float, kSize * kSize> c;
  a.fill(Element(1.0f));
  b.fill(Element(2.0f));
  c.fill(1.0f);
  constexpr bool kPairs = Operands::kDepthStep > 1;
  try {
    at::native::cpublas::brgemm(kSize, kSize, kSize, kSize, kSize, kSize, /*add_C=*/true, a.data(), b.data(),
                                c.data(), kPairs);
    at::native::cpublas::brgemm_release(kPairs);
  } catch (const std::exception&) {
    return false;
  }
  return std::all_of(c.begin(), c.end(), [](float value) { return value == 2.0f * kSize + 1.0f; });
}

/// run(operands) with the operands of that precision.
template <class Run>
void with_operands(Precision precision, const Run& run) {
  precision == Precision::bfloat16 ? run(BFloat16Operands()) : run(Float32Operands());
}

bool use_brgemm(const GemmOptions& options) {
  if (options.backend == GemmBackend::aten) return false;
  const bool available = brgemm_available(options.precision);
  TORCH_CHECK(options.backend == GemmBackend::automatic || available,
              "matmul: expected a CPU and a LibTorch that run brgemm of that precision, got neither");
  return available;
}

}  // namespace

bool brgemm_available(Precision precision) {
  static const bool float32 = try_brgemm<Float32Operands>();
  if (precision == Precision::float32) return float32;
  static const bool bfloat16 = try_brgemm<BFloat16Operands>();
  return bfloat16;
}

void matmul_nt(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias, float* c,
               int64_t ldc, Workspace& workspace, const GemmOptions& options) {
  if (m == 0) return;
  if (!use_brgemm(options)) {
    detail::matmul_nt_aten(a, m, n, k, w, bias, c, ldc, options.precision);
  } else {
    with_operands(options.precision, [&](auto operands) {
      detail::matmul_nt_brgemm<decltype(operands)>(a, m, n, k, w, bias, c, ldc, workspace);
    });
  }
}

void matmul_nn(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c, int64_t ldc,
               bool accumulate, Workspace& workspace, const GemmOptions& options) {
  if (m == 0) return;
  if (!use_brgemm(options)) {
    detail::matmul_nn_aten(a, m, n, k, w, c, ldc, accumulate, options.precision);
  } else {
    with_operands(options.precision, [&](auto operands) {
      detail::matmul_nn_brgemm<decltype(operands)>(a, m, n, k, w, c, ldc, accumulate, workspace);
    });
  }
}

void matmul_tn(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c,
               Workspace& workspace, const GemmOptions& options) {
  if (rows == 0) {
    std::fill_n(c, n * k, 0.0f);
  } else if (!use_brgemm(options)) {
    detail::matmul_tn_aten(dz, x, rows, n, k, c, options.precision);
  } else {
    with_operands(options.precision, [&](auto operands) {
      detail::weight_gradient_brgemm<decltype(operands)>(dz, x, rows, n, k, c, workspace);
    });
  }
}

}  // namespace vcas::ops::kernels

namespace vcas::ops {

namespace {

/// oneDNN's switch as it reads it itself: lower case, the first of its names that is set.
std::string isa_cap() {
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    std::string value = c10::utils::get_env(name).value_or("");
    if (value.empty()) continue;
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return value;
  }
  return {};
}

/// Whether it caps oneDNN below the instructions that a precision is fast with.
bool capped_below(Precision precision) {
  // In oneDNN's order; the caps that it may add later are higher.
  static constexpr std::array<std::string_view, 7> kLower = {
      "sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2", "avx512_core", "avx512_core_vnni"};
  constexpr size_t kBelowAvx512 = 5;
  const auto* const end = precision == Precision::bfloat16 ? kLower.end() : kLower.begin() + kBelowAvx512;
  return std::find(kLower.begin(), end, isa_cap()) != end;
}

bool has_instructions(Precision precision) {
#ifdef __x86_64__
  // oneDNN's micro-kernel emulates bfloat16 on AVX-512 processors that lack it.
  return precision == Precision::bfloat16 ? __builtin_cpu_supports("avx512bf16")
                                          : __builtin_cpu_supports("avx512bw");
#else
  (void)precision;
  return true;
#endif
}

}  // namespace

bool is_fast(Precision precision) {
  return has_instructions(precision) && !capped_below(precision) && kernels::brgemm_available(precision);
}

}  // namespace vcas::ops
