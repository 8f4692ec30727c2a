#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vcas::data {

/// Texts, or pairs of texts, and the class of each.
struct TextDataset {
  std::vector<std::string> texts;
  std::vector<std::string> text_pairs;   ///< as many as texts, or none
  std::vector<int64_t> labels;           ///< index into label_names
  std::vector<std::string> label_names;  ///< of the classes, in the order of their ids

  int64_t size() const { return static_cast<int64_t>(texts.size()); }
  /// Keeps the first `count` texts; all of them when there are no more.
  void keep_first(int64_t count);
};

/// Which columns of a file are read.
struct TextColumns {
  std::string text = "sentence";
  std::optional<std::string> text_pair = std::nullopt;
  std::string label = "label";
};

/// Reads texts and labels from a .csv, .tsv or .jsonl file and numbers the classes: when every label is an
/// integer their numeric order gives the ids (so 0..n-1 stay as they are), otherwise the byte order of the
/// names does.
/// @throws formats::InputError as formats::read_table, and "train.csv: expected labels of two classes or
/// more, got
///         one class only: 'positive'".
TextDataset read_training_file(const std::filesystem::path& path, const TextColumns& columns);

/// Reads a file whose labels are those of a trained model or training set: its names or, where no name is
/// itself an integer, its ids 0..n-1.
/// @throws formats::InputError as formats::read_table, and "dev.csv:7: expected a known label (...), got
/// 'positiv'; the
///         nearest is 'positive'".
TextDataset read_evaluation_file(const std::filesystem::path& path, const TextColumns& columns,
                                 const std::vector<std::string>& label_names);

struct DatasetSplit {
  TextDataset train;
  TextDataset validation;
};

inline constexpr const char* kWordNetFolder = "/usr/share/wordnet";

/// The glosses of WordNet 3.0's 82,115 noun synsets, classes their 26 lexicographer files (noun.Tops ..
/// noun.time). A synset is held out when fnv1a64(id, such as "n00001740") mod 10 = 0: about 10 %. Both parts
/// are ordered by that hash, mixed, so that the first 40 thousand are as good a sample as any.
/// @throws formats::InputError when data.noun is missing or malformed.
DatasetSplit read_wordnet_nouns(const std::filesystem::path& folder = kWordNetFolder);

/// FNV-1a with 64 bits. Source: Fowler, Noll, Vo; draft-eastlake-fnv-21.
uint64_t fnv1a64(std::string_view bytes);

}  // namespace vcas::data
