#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>

#include "sampling/checks.h"
#include "sampling/host.h"

namespace vcas::sampling {
namespace {

// Four running sums, so that additions overlap; a fixed order, so that the result never depends on the
// machine.
double sum(std::span<const double> values) {
  double partial[4] = {};
  size_t i = 0;
  for (; i + 4 <= values.size(); i += 4) {
    for (size_t lane = 0; lane < 4; ++lane) partial[lane] += values[i + lane];
  }
  for (; i < values.size(); ++i) partial[0] += values[i];
  return (partial[0] + partial[1]) + (partial[2] + partial[3]);
}

struct Filling {
  double share;  // what the entries below saturation sum to, in counts
  double total;  // what they sum to, in weights
};

// Fixes at 1 every weight that reaches it, until none does. `open` holds more than `count` positive weights.
// The last count is never given away whole: with more candidates than counts each p stays below 1 in exact
// arithmetic, and min(1, ...) absorbs the rounding; so no positive weight ends with p = 0.
Filling fill(std::vector<double> open, int64_t count) {
  Filling filling{static_cast<double>(count), sum(open)};
  for (;;) {
    const auto saturates = [&](double w) { return filling.share * w >= filling.total; };
    const auto reached = static_cast<double>(std::count_if(open.begin(), open.end(), saturates));
    if (reached == 0 || reached >= filling.share) return filling;
    std::erase_if(open, saturates);
    filling = {filling.share - reached, sum(open)};
  }
}

}  // namespace

void inclusion_probabilities(std::span<const double> weights, int64_t count,
                             std::span<double> probabilities) {
  const auto n = static_cast<int64_t>(weights.size());
  check_count(count, n);
  TORCH_CHECK(probabilities.size() == weights.size(), "inclusion_probabilities: expected room for ", n,
              " probabilities, got ", probabilities.size());
  double largest = 0;
  int64_t alive = 0;
  bool finite = true;
  for (const double w : weights) {
    finite = finite && std::isfinite(w);
    alive += w > 0;
    largest = std::max(largest, w);
  }
  if (!finite) {
    std::fill(probabilities.begin(), probabilities.end(), 0.0);
    std::fill_n(probabilities.begin(), count, 1.0);
    return;
  }
  if (alive <= count) {
    const double rest = n > alive ? static_cast<double>(count - alive) / static_cast<double>(n - alive) : 0.0;
    std::transform(weights.begin(), weights.end(), probabilities.begin(),
                   [=](double w) { return w > 0 ? 1.0 : rest; });
    return;
  }
  const double factor = range_factor(largest);
  std::vector<double> open;
  open.reserve(weights.size());
  for (const double w : weights) {
    if (w > 0) open.push_back(w * factor);
  }
  const Filling filling = fill(std::move(open), count);
  std::transform(weights.begin(), weights.end(), probabilities.begin(),
                 [=](double w) { return std::min(1.0, filling.share * (w * factor) / filling.total); });
}

}  // namespace vcas::sampling
