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
/// the id itself. A label that means two classes is refused: two names are equal, or an id stands in the name
/// of another class ("1" for "1 star" with id 0 and "2 stars" with id 1) or is its truth value.
class LabelIndex {
 public:
  explicit LabelIndex(std::vector<std::string> names);

  /// Of every row. @throws formats::InputError naming the first line whose label is missing, unknown (with
  /// the nearest name) or means two classes (with both).
  std::vector<int64_t> ids(const LabelColumn& column) const;
  /// For each of these names its place in the index, without ids; nothing when the names are not the same.
  std::optional<std::vector<int64_t>> places_of(const std::vector<std::string>& names) const;

 private:
  /// Ids of the classes that a label may mean, the likeliest first.
  using Readings = std::vector<int64_t>;

  Readings named(const Label& label) const;
  Readings readings(const Label& label) const;
  /// Of an id in place of a name.
  std::vector<Readings> readings_of_ids() const;
  [[noreturn]] void refuse(const LabelColumn& column, std::size_t row, const Readings& readings) const;
  std::string known_names() const;

  std::vector<std::string> names_;
  std::map<std::string, Readings, std::less<>> by_name_;
  std::map<std::string, Readings, std::less<>> by_number_;  ///< of names that are numbers, by Decimal::text
  std::map<bool, int64_t> by_truth_;                        ///< of two names that mean true and false
  std::vector<Readings> by_id_;                             ///< none where a name is a number
};

}  // namespace vcas::data
