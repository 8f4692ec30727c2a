#include <ATen/ops/ones.h>
#include <vcas/control/controller.h>
#include <vcas/sampling/inclusion.h>
#include <vcas/version.h>

#include <cstdio>

int main() {
  const auto probabilities = vcas::sampling::inclusion_probabilities(at::ones({8}), 4);
  std::printf("vcas %s: %f\n", vcas::version(), probabilities.sum().item<double>());
  return probabilities.sum().item<double>() == 4.0 ? 0 : 1;
}
