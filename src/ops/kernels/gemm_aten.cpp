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

void store(const at::Tensor& product, const float* bias, bool accumulate, float* c, int64_t ldc) {
  const int64_t columns = product.size(1);
  store_tile(product.const_data_ptr<float>(), columns, bias, accumulate, product.size(0), columns, c, ldc);
}

}  // namespace

void matmul_nt_aten(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, const float* bias,
                    float* c, int64_t ldc) {
  store(at::mm(gathered(a, m, k), weight_tensor(w, n, k).t()), bias, /*accumulate=*/false, c, ldc);
}

void matmul_nn_aten(const RowView& a, int64_t m, int64_t n, int64_t k, const float* w, float* c, int64_t ldc,
                    bool accumulate) {
  store(at::mm(gathered(a, m, n), weight_tensor(w, n, k)), /*bias=*/nullptr, accumulate, c, ldc);
}

void matmul_tn_aten(const RowView& dz, const RowView& x, int64_t rows, int64_t n, int64_t k, float* c) {
  store(at::mm(gathered(dz, rows, n).t(), gathered(x, rows, k)), /*bias=*/nullptr, /*accumulate=*/false, c,
        k);
}

}  // namespace vcas::ops::kernels::detail
