#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include "ops/kernels/gemm_detail.h"
#include "ops/kernels/tiles.h"

namespace vcas::ops::kernels::detail {
namespace {

at::Tensor gathered(const RowView& view, int64_t rows, int64_t columns) {
  at::Tensor copy = at::empty({rows, columns}, at::kFloat);
  float* out = copy.mutable_data_ptr<float>();
  for (int64_t r = 0; r < rows; ++r) copy_row(view.row(r), view.factor(r), columns, out + r * columns);
  return copy;
}

at::Tensor weight_tensor(const float* w, int64_t n, int64_t k) {
  return at::from_blob(const_cast<float*>(w), {n, k}, at::kFloat);
}

/// What a product of that precision reads. Sums stay float32.
at::Tensor operand(const at::Tensor& values, Precision precision) {
  return precision == Precision::bfloat16 ? values.to(at::kBFloat16).to(at::kFloat) : values;
}

void store(const at::Tensor& product, const float* bias, bool accumulate, float* c, int64_t ldc) {
  const int64_t columns = product.size(1);
  store_tile(product.const_data_ptr<float>(), columns, bias, accumulate, product.size(0), columns, c, ldc);
}

}  // namespace

void matmul_nt_aten(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias,
                    float* c, int64_t ldc, Precision precision) {
  store(at::mm(operand(gathered(a, m, k), precision), operand(weight_tensor(w, n, k), precision).t()), bias,
        /*accumulate=*/false, c, ldc);
}

void matmul_nn_aten(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c, int64_t ldc,
                    bool accumulate, Precision precision) {
  store(at::mm(operand(gathered(a, m, n), precision), operand(weight_tensor(w, n, k), precision)),
        /*bias=*/nullptr, accumulate, c, ldc);
}

void matmul_tn_aten(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c,
                    Precision precision) {
  store(at::mm(operand(gathered(dz, rows, n), precision).t(), operand(gathered(x, rows, k), precision)),
        /*bias=*/nullptr, /*accumulate=*/false, c, k);
}

}  // namespace vcas::ops::kernels::detail
