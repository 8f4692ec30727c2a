// Packed GEMMs against at::mm and against the micro-kernel's own peak, fp32, all candidates taking turns.
// Columns: GF/s of each, and in brackets its ratio to at::mm; "peak" is brgemm on tiles that stay in the
// first cache level. Usage: gemm_benchmark [threads] [seconds per candidate] [--json]
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/zeros.h>

#include <cstdio>

#include "arguments.h"
#include "interleaved.h"
#include "ops/kernels/gemm.h"
#include "ops/kernels/parallel.h"

namespace {

using vcas::benchmarks::Arguments;
using vcas::benchmarks::interleaved_medians;
using vcas::ops::kernels::brgemm_available;
using vcas::ops::kernels::matmul_nn;
using vcas::ops::kernels::matmul_nt;
using vcas::ops::kernels::matmul_tn;
using vcas::ops::kernels::parallel_tasks;
using vcas::ops::kernels::thread_count;
using vcas::ops::kernels::Workspace;

struct Layer {
  int64_t in, out;
};

/// Floating point operations of one call of run_peak on every thread together.
constexpr double kPeakFlops = 2.0 * 64 * 64 * 256 * 64;

void run_peak(const at::Tensor& tiles) {
  const float* a = tiles.const_data_ptr<float>();
  parallel_tasks(thread_count() * 4, [&](int64_t, int) {
    alignas(64) float c[64 * 64];
    for (int i = 0; i < 64; ++i)
      at::native::cpublas::brgemm(64, 64, 256, 256, 64, 64, i > 0, a, a + 64 * 256, c);
  });
}

void report(const char* kind, const Layer& layer, int64_t m, const std::vector<double>& seconds, bool json) {
  const double gflop = 2e-9 * static_cast<double>(m * layer.in * layer.out);
  const double peak = 1e-9 * kPeakFlops * 4 * thread_count() / seconds.back();
  if (json) {
    std::printf(
        "{\"kind\": \"%s\", \"rows\": %ld, \"in\": %ld, \"out\": %ld, \"mm\": %.9g, \"packed\": %.9g, "
        "\"gathered\": %.9g, \"peak\": %.9g}\n",
        kind, static_cast<long>(m), static_cast<long>(layer.in), static_cast<long>(layer.out),
        gflop / seconds[0], gflop / seconds[1], gflop / seconds[2], peak);
    return;
  }
  std::printf(
      "%-3s %5ld x %4ld -> %4ld  at::mm %5.0f  packed %5.0f (%.2f)  gathered %5.0f (%.2f)  peak %5.0f  share "
      "%.2f\n",
      kind, static_cast<long>(m), static_cast<long>(layer.in), static_cast<long>(layer.out),
      gflop / seconds[0], gflop / seconds[1], seconds[0] / seconds[1], gflop / seconds[2],
      seconds[0] / seconds[2], peak, gflop / seconds[1] / peak);
}

void run(const Layer& layer, int64_t m, const Arguments& arguments) {
  const auto clock = thread_count() == 1 ? vcas::benchmarks::thread_clock : vcas::benchmarks::wall_clock;
  const int64_t k = layer.in, n = layer.out;
  const at::Tensor x = at::randn({m, k}), dz = at::randn({m, n}), w = at::randn({n, k});
  at::Tensor y = at::zeros({m, n}), dx = at::zeros({m, k}), dw = at::zeros({n, k});
  const at::Tensor order = at::randperm(m, at::kLong), tiles = at::randn({64 * 512});
  const int64_t* index = order.const_data_ptr<int64_t>();
  const float *px = x.const_data_ptr<float>(), *pdz = dz.const_data_ptr<float>(),
              *pw = w.const_data_ptr<float>();
  float *py = y.mutable_data_ptr<float>(), *pdx = dx.mutable_data_ptr<float>(),
        *pdw = dw.mutable_data_ptr<float>();
  Workspace workspace;
  const auto peak = [&] { run_peak(tiles); };
  report("nt", layer, m,
         interleaved_medians({[&] { at::mm_out(y, x, w.t()); },
                              [&] {
                                matmul_nt({px, k}, m, n, k, pw, nullptr, py, n, workspace);
                              },
                              [&] {
                                matmul_nt({px, k, index}, m, n, k, pw, nullptr, py, n, workspace);
                              },
                              peak},
                             arguments.seconds_each, clock),
         arguments.json);
  report("nn", layer, m,
         interleaved_medians({[&] { at::mm_out(dx, dz, w); },
                              [&] {
                                matmul_nn({pdz, n}, m, n, k, pw, pdx, k, false, workspace);
                              },
                              [&] {
                                matmul_nn({pdz, n, index}, m, n, k, pw, pdx, k, false, workspace);
                              },
                              peak},
                             arguments.seconds_each, clock),
         arguments.json);
  report("tn", layer, m,
         interleaved_medians({[&] { at::mm_out(dw, dz.t(), x); },
                              [&] {
                                matmul_tn({pdz, n}, {px, k}, m, n, k, pdw, workspace);
                              },
                              [&] {
                                matmul_tn({pdz, n, index}, {px, k, index}, m, n, k, pdw, workspace);
                              },
                              peak},
                             arguments.seconds_each, clock),
         arguments.json);
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = vcas::benchmarks::read_arguments(argc, argv, 0.2);
  if (!arguments.json)
    std::printf("%d threads, brgemm %s\n", thread_count(),
                brgemm_available() ? "available" : "not available");
  for (const Layer layer :
       {Layer{384, 384}, {384, 1536}, {1536, 384}, {768, 768}, {768, 3072}, {3072, 768}}) {
    for (const int64_t m : {100, 576, 1000, 4096}) run(layer, m, arguments);
  }
}
