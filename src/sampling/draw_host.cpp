#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "sampling/host.h"
#include "sampling/random.h"

namespace vcas::sampling {
namespace {

// An entry with 0 < p < 1. Those with p = 1 or 0 move the cumulated sums by a whole number and need no place
// in the random order.
struct Candidate {
  uint64_t key;
  double probability;
  int64_t index;
};

std::vector<Candidate> open_candidates(std::span<const double> probabilities, const StreamKey& stream) {
  std::vector<Candidate> candidates;
  candidates.reserve(probabilities.size());
  for (size_t i = 0; i < probabilities.size(); i += 2) {
    const size_t end = std::min(i + 2, probabilities.size());
    const auto is_open = [&](size_t entry) { return probabilities[entry] > 0 && probabilities[entry] < 1; };
    if (!is_open(i) && !is_open(end - 1)) continue;
    const auto bits = entry_bits(stream, static_cast<uint32_t>(i / 2));
    for (size_t entry = i; entry < end; ++entry) {
      if (is_open(entry)) {
        // 63 bits, so that signed and unsigned comparison agree (the generic path sorts int64).
        candidates.push_back({bits[entry - i] >> 1, probabilities[entry], static_cast<int64_t>(entry)});
      }
    }
  }
  return candidates;
}

// By key. Keys are uniform, so one scatter by their upper bits leaves each entry next to its place: linear
// time.
std::vector<Candidate> in_random_order(const std::vector<Candidate>& candidates) {
  const int bucket_bits = std::max(1, static_cast<int>(std::bit_width(candidates.size())));
  const auto bucket = [&](const Candidate& c) { return static_cast<size_t>(c.key >> (63 - bucket_bits)); };
  std::vector<uint32_t> next((size_t{1} << bucket_bits) + 1, 0);
  for (const Candidate& c : candidates) ++next[bucket(c) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<Candidate> ordered(candidates.size());
  for (const Candidate& c : candidates) ordered[next[bucket(c)]++] = c;
  for (size_t i = 1; i < ordered.size(); ++i) {
    const Candidate moving = ordered[i];
    size_t place = i;
    for (; place > 0 && ordered[place - 1].key > moving.key; --place) ordered[place] = ordered[place - 1];
    ordered[place] = moving;
  }
  return ordered;
}

// Marks the candidates on whose stretch of the cumulated probabilities one of u, u + 1, u + 2, … falls.
void keep_systematically(const std::vector<Candidate>& ordered, double u, std::vector<char>& kept) {
  const double raw_total =
      std::accumulate(ordered.begin(), ordered.end(), 0.0,
                      [](double total, const Candidate& c) { return total + c.probability; });
  double cumulated = 0, points_before = 0;
  for (const Candidate& c : ordered) {
    cumulated += c.probability;
    const double points = std::ceil((cumulated >= raw_total ? std::round(raw_total) : cumulated) - u);
    if (points > points_before) kept[static_cast<size_t>(c.index)] = 1;
    points_before = points;
  }
}

// Rounding of the cumulated sums can lose one entry in some 1e13 draws: the likeliest of the others takes its
// place.
void complete(std::span<const double> probabilities, int64_t count, std::vector<char>& kept) {
  for (auto missing = count - std::count(kept.begin(), kept.end(), 1); missing > 0; --missing) {
    size_t best = 0;
    for (size_t i = 0; i < kept.size(); ++i) {
      if (!kept[i] && (kept[best] || probabilities[i] > probabilities[best])) best = i;
    }
    kept[best] = 1;
  }
}

std::vector<char> kept_fixed(std::span<const double> probabilities, int64_t count, const StreamKey& stream) {
  std::vector<char> kept(probabilities.size());
  std::transform(probabilities.begin(), probabilities.end(), kept.begin(), [](double p) { return p >= 1; });
  const double u = uniform_from_bits(entry_bits(stream, StreamKey::kDrawBlock)[0]);
  keep_systematically(in_random_order(open_candidates(probabilities, stream)), u, kept);
  complete(probabilities, count, kept);
  return kept;
}

std::vector<char> kept_bernoulli(std::span<const double> weights, std::span<const double> probabilities,
                                 const StreamKey& stream) {
  std::vector<char> kept(probabilities.size());
  for (size_t i = 0; i < kept.size(); i += 2) {
    const auto bits = entry_bits(stream, static_cast<uint32_t>(i / 2));
    for (size_t entry = i; entry < std::min(i + 2, kept.size()); ++entry) {
      // A zero weight takes no part; NaN does: it has to be seen.
      kept[entry] = weights[entry] != 0 && uniform_from_bits(bits[entry - i]) < probabilities[entry];
    }
  }
  return kept;
}

}  // namespace

HostDraw draw(std::span<const double> weights, int64_t count, DrawMethod method, const StreamKey& stream) {
  std::vector<double> probabilities(weights.size());
  inclusion_probabilities(weights, count, probabilities);
  const bool finite = std::all_of(weights.begin(), weights.end(), [](double w) { return std::isfinite(w); });
  const bool any_positive = std::any_of(weights.begin(), weights.end(), [](double w) { return w > 0; });
  const std::vector<char> kept = method == DrawMethod::fixed || !finite
                                     ? kept_fixed(probabilities, count, stream)
                                     : kept_bernoulli(weights, probabilities, stream);
  HostDraw result;
  result.indices.reserve(static_cast<size_t>(count));
  result.scales.reserve(static_cast<size_t>(count));
  for (size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i]) continue;
    result.indices.push_back(static_cast<int64_t>(i));
    result.scales.push_back(!finite         ? std::numeric_limits<double>::quiet_NaN()
                            : !any_positive ? 0.0
                                            : 1 / probabilities[i]);
  }
  return result;
}

}  // namespace vcas::sampling
