#include "sampling/philox_tensor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/broadcast_tensors.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/mul.h>

namespace vcas::sampling {
namespace {

constexpr int64_t kMask = 0xFFFFFFFF;

at::Tensor low(const at::Tensor& product) { return product.bitwise_and(kMask); }

// The product of two 32-bit numbers wraps modulo 2^64 in int64; masking after the arithmetic shift undoes the
// sign.
at::Tensor high(const at::Tensor& product) { return product.__rshift__(32).bitwise_and(kMask); }

}  // namespace

std::array<at::Tensor, 4> philox_words(const at::Tensor& column_block, const at::Tensor& row,
                                       const StreamKey& stream) {
  constexpr int64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  const auto words = at::broadcast_tensors({column_block, row});
  const auto counter_high = stream.philox_counter_high();
  auto key = stream.philox_key();
  std::array<at::Tensor, 4> counter = {words[0], words[1],
                                       at::full_like(words[0], static_cast<int64_t>(counter_high[0])),
                                       at::full_like(words[0], static_cast<int64_t>(counter_high[1]))};
  for (int round = 0; round < 10; ++round) {
    const auto product0 = counter[0] * kMultiplier0;
    const auto product1 = counter[2] * kMultiplier1;
    counter = {
        high(product1).bitwise_xor(counter[1]).bitwise_xor(static_cast<int64_t>(key[0])), low(product1),
        high(product0).bitwise_xor(counter[3]).bitwise_xor(static_cast<int64_t>(key[1])), low(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

}  // namespace vcas::sampling
