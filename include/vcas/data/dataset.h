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
  /// Numbers the classes in the order of these names, where they are the same (by read_evaluation_file's
  /// rules, ids aside); false, and nothing done, where they are not.
  bool take_label_order(const std::vector<std::string>& names);
};

/// Which columns of a file are read, and how.
struct TextColumns {
  std::string text = "sentence";
  std::optional<std::string> text_pair = std::nullopt;
  std::string label = "label";
  /// Of CSV and TSV: whether fields may be quoted. Without: CSV yes, TSV where the file's own quotes say so,
  /// which stderr tells.
  std::optional<bool> quoted = std::nullopt;
};

/// What a column of numbers means that are not whole. As classes, whole numbers written as floats are not
/// remarked on either.
enum class FloatLabels { refused, classes };

/// Reads texts and labels from a .csv, .tsv, .jsonl or .json file and numbers the classes. Labels lose the
/// white space at their ends. Where all are true or false, the classes are "False" and "True"; where all are
/// numbers, their values are the classes (1, 1.0 and 01 are "1") and their order gives the ids (so 0..n-1
/// stay as they are); otherwise the byte order of the names does. Rows of empty fields are left out; stderr
/// says how many.
/// @throws formats::InputError as formats::read_table, and "train.csv:7: column 'label': expected a class,
/// got nothing", "... got the number 4.75", "train.csv: column 'label': expected labels of two classes or
/// more, got labels of one class only: 'positive'".
TextDataset read_training_file(const std::filesystem::path& path, const TextColumns& columns,
                               FloatLabels floats = FloatLabels::refused);

/// Reads a file whose labels are those of a trained model or training set: its names, other spellings of the
/// same numbers or truth values, or, where no name is itself a number, its ids 0..n-1.
/// @throws formats::InputError as formats::read_table, for a missing label, and "dev.csv:7: expected a known
/// label (...), got 'positiv'; the nearest is 'positive'".
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
