#include "vcas/data/tokenized_texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <stdexcept>
#include <string>

#include "data/keyed_hash.h"

namespace vcas::data {
namespace {

/// The tokens of consecutive texts.
struct Part {
  std::vector<int32_t> ids;
  std::vector<int64_t> lengths;
  std::vector<int32_t> second_begin;
  int64_t truncated_count = 0;
};

Part tokenize(const TextDataset& dataset, const text::Tokenizer& tokenizer, int64_t max_length,
              std::size_t begin, std::size_t end) {
  const auto encoder = tokenizer.encoder();
  Part part;
  for (std::size_t i = begin; i < end; ++i) {
    const auto encoding = dataset.text_pairs.empty()
                              ? encoder->encode(dataset.texts[i], max_length)
                              : encoder->encode_pair(dataset.texts[i], dataset.text_pairs[i], max_length);
    part.ids.insert(part.ids.end(), encoding.ids.begin(), encoding.ids.end());
    part.lengths.push_back(static_cast<int64_t>(encoding.ids.size()));
    part.second_begin.push_back(static_cast<int32_t>(encoding.second_begin));
    part.truncated_count += encoding.truncated ? 1 : 0;
  }
  return part;
}

/// A hash of whole numbers and texts in their order.
class Digest {
 public:
  template <typename Number>
  void add(const std::vector<Number>& numbers) {
    add(numbers.size());
    for (const auto number : numbers) add(static_cast<uint64_t>(number));
  }
  void add(const std::vector<std::string>& texts) {
    add(texts.size());
    for (const auto& text : texts) add(fnv1a64(text));
  }
  void add(uint64_t number) { hash_ = mix64(hash_ ^ number); }
  std::string text() const { return fmt::format("{:016x}", hash_); }

 private:
  uint64_t hash_ = 0;
};

}  // namespace

TokenizedTexts::TokenizedTexts(const TextDataset& dataset, const text::Tokenizer& tokenizer,
                               int64_t max_length, int64_t threads)
    : labels_(dataset.labels), max_length_(max_length) {
  if (threads < 1) {
    throw std::invalid_argument("TokenizedTexts: expected threads of at least 1, got " +
                                std::to_string(threads));
  }
  const std::size_t count = dataset.texts.size();
  const std::size_t share =
      (count + static_cast<std::size_t>(threads) - 1) / static_cast<std::size_t>(threads);
  std::vector<std::future<Part>> parts;
  for (std::size_t begin = 0; begin < count; begin += share) {
    parts.push_back(std::async(std::launch::async, [&, begin] {
      return tokenize(dataset, tokenizer, max_length, begin, std::min(begin + share, count));
    }));
  }
  for (auto& future : parts) {
    const Part part = future.get();
    ids_.insert(ids_.end(), part.ids.begin(), part.ids.end());
    for (const int64_t length : part.lengths) offsets_.push_back(offsets_.back() + length);
    second_begin_.insert(second_begin_.end(), part.second_begin.begin(), part.second_begin.end());
    truncated_count_ += part.truncated_count;
  }
  Digest digest;
  digest.add(ids_);
  digest.add(offsets_);
  digest.add(second_begin_);
  digest.add(labels_);
  // Texts too: other texts may have equal tokens, [UNK] for instance.
  digest.add(dataset.texts);
  digest.add(dataset.text_pairs);
  digest.add(dataset.label_names);
  digest_ = digest.text();
}

int64_t TokenizedTexts::length(int64_t example) const { return static_cast<int64_t>(ids(example).size()); }

std::vector<int64_t> TokenizedTexts::lengths() const {
  std::vector<int64_t> result;
  result.reserve(offsets_.size() - 1);
  for (std::size_t i = 1; i < offsets_.size(); ++i) result.push_back(offsets_[i] - offsets_[i - 1]);
  return result;
}

std::span<const int32_t> TokenizedTexts::ids(int64_t example) const {
  if (example < 0 || example >= size()) {
    throw std::out_of_range("TokenizedTexts: expected an example in [0, " + std::to_string(size()) +
                            "), got " + std::to_string(example));
  }
  const auto i = static_cast<std::size_t>(example);
  return std::span(ids_).subspan(static_cast<std::size_t>(offsets_[i]),
                                 static_cast<std::size_t>(offsets_[i + 1] - offsets_[i]));
}

PackedTexts TokenizedTexts::pack(std::span<const int64_t> examples) const {
  PackedTexts packed;
  for (const int64_t example : examples) {
    const auto tokens = ids(example);
    packed.token_ids.insert(packed.token_ids.end(), tokens.begin(), tokens.end());
    packed.token_type_ids.resize(static_cast<std::size_t>(packed.offsets.back() + second_begin(example)), 0);
    packed.token_type_ids.resize(packed.token_ids.size(), 1);
    packed.offsets.push_back(static_cast<int64_t>(packed.token_ids.size()));
    packed.labels.push_back(label(example));
    packed.examples.push_back(example);
  }
  return packed;
}

}  // namespace vcas::data
