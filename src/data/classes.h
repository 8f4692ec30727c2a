#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/label.h"
#include "vcas/data/dataset.h"

namespace vcas::data {

/// The column of labels of a file.
struct LabelColumn {
  std::string source;  ///< the file, as messages name it
  std::string name;
  std::vector<Label> labels;
  std::vector<int64_t> lines;

  /// @throws formats::InputError "source:line: column 'name': message", always.
  [[noreturn]] void fail(std::size_t row, std::string_view message) const;
};

/// Names of the classes in the order of their ids (read_training_file has the rules).
/// @throws formats::InputError naming the line: a label that is missing, a number that is not whole.
std::vector<std::string> class_names(const LabelColumn& column, FloatLabels floats);

/// Finds the id of a label as a file has it, by the first of these that gives one: an equal name; an equal
/// number ("01" and "1.0" are "1"); the name that means the same truth value; and, where no name is a number,
/// the id itself.
class LabelIndex {
 public:
  explicit LabelIndex(std::vector<std::string> names);

  std::optional<int64_t> find(const Label& label) const;
  /// Of every row. @throws formats::InputError naming the first line whose label is missing or unknown, and
  /// the nearest name.
  std::vector<int64_t> ids(const LabelColumn& column) const;
  /// For each of these names its place in the index, without ids; nothing when the names are not the same.
  std::optional<std::vector<int64_t>> places_of(const std::vector<std::string>& names) const;

 private:
  std::optional<int64_t> find_name(const Label& label) const;
  std::string known_names() const;

  std::vector<std::string> names_;
  std::map<std::string, int64_t, std::less<>> by_name_;
  std::map<std::string, int64_t, std::less<>> by_number_;  ///< of names that are numbers, by Decimal::text
  std::map<bool, int64_t> by_truth_;                       ///< of two names that mean true and false
};

}  // namespace vcas::data
