#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vcas::tasks {

/// Bounds of a number.
struct Range {
  double minimum = std::numeric_limits<double>::lowest();
  double maximum = std::numeric_limits<double>::max();
  bool minimum_allowed = true;  ///< false: greater than minimum
  bool maximum_allowed = true;  ///< false: less than maximum

  bool contains(double value) const;
  /// "> 0", "in [0, 1)", or nothing.
  std::string describe() const;
};
Range at_least(double minimum);
Range above(double minimum);
/// [minimum, maximum]
Range between(double minimum, double maximum);
/// [minimum, maximum)
Range from_to_below(double minimum, double maximum);
/// (minimum, maximum]
Range above_to(double minimum, double maximum);

/// What kind of value a flag takes: a configuration file's must be of this type.
enum class FlagKind { text, number, integer, boolean };

/// The flags of a command, each bound to the variable that it sets. One table serves the command line, the
/// configuration file and --help, so that a value is checked and named the same way wherever it comes from.
class FlagTable {
 public:
  /// Flags that are added from here on stand under this heading in --help.
  void begin_group(std::string name) { group_ = std::move(name); }

  void add(const std::string& name, double& value, Range range, const std::string& help);
  void add(const std::string& name, int64_t& value, Range range, const std::string& help);
  void add(const std::string& name, std::optional<int64_t>& value, Range range, const std::string& help);
  void add(const std::string& name, uint64_t& value, const std::string& help);
  void add(const std::string& name, bool& value, const std::string& help);
  void add(const std::string& name, std::string& value, const std::string& help,
           const std::string& type = "TEXT");
  void add(const std::string& name, std::optional<std::string>& value, const std::string& help);
  void add(const std::string& name, std::filesystem::path& value, const std::string& help,
           const std::string& type = "FILE");

  /// A choice among names. @param unavailable names that are known, but not in this version.
  template <typename Value>
  void add_choice(const std::string& name, Value& value,
                  const std::vector<std::pair<std::string, Value>>& choices, const std::string& help,
                  const std::vector<std::string>& unavailable = {}) {
    std::vector<std::string> names;
    std::string present;
    for (const auto& [choice, meaning] : choices) {
      names.push_back(choice);
      if (meaning == value) present = choice;
    }
    add_named_choice(name, names, present, help, unavailable,
                     [&value, choices](size_t chosen) { value = choices[chosen].second; });
  }

  /// This flag takes several values, separated by commas, on the command line; each is checked, and
  /// effective() has them all. The variable takes the last.
  void allow_list(const std::string& name);

  /// Puts the flags on a command of the command line, and `--config`.
  void attach(CLI::App& command);
  /// Sets the variables: configuration file first, then what the command line gave.
  /// @throws formats::InputError naming key, value and what is allowed; for an unknown key the nearest known
  /// one.
  void apply(const CLI::App& command);

  /// What apply() set, by flag, as it was written; a bare flag is empty.
  const std::map<std::string, std::string>& effective() const { return effective_; }
  /// That --config named; empty without it.
  std::filesystem::path config_file() const { return config_file_; }

 private:
  struct Flag {
    std::string name;
    std::string group;
    std::string help;
    std::string type;           ///< as shown by --help
    std::string allowed;        ///< range, as shown by --help; may be empty
    std::string default_value;  ///< as shown by --help; may be empty
    FlagKind kind = FlagKind::text;
    bool list = false;
    std::function<void(const std::string& source, const std::string& value)> set;
  };

  void add_flag(const std::string& name, const std::string& help, std::string type, std::string allowed,
                std::string default_value, FlagKind kind,
                std::function<void(const std::string&, const std::string&)> set);
  void add_named_choice(const std::string& name, const std::vector<std::string>& names,
                        const std::string& present, const std::string& help,
                        const std::vector<std::string>& unavailable, std::function<void(size_t)> choose);
  void apply_file(const std::filesystem::path& path);
  const Flag* find(std::string_view name) const;
  std::vector<std::string> names() const;

  std::vector<Flag> flags_;
  std::string group_ = "Options";
  std::map<std::string, std::string> given_;      ///< on the command line
  std::map<std::string, std::string> effective_;  ///< set by apply()
  std::string config_file_;
};

/// Writes every flag name with '_', as the tables have it: "--max-steps=3" becomes "--max_steps=3".
std::vector<std::string> with_underscores(std::vector<std::string> arguments);

/// @param names at least one. @throws formats::InputError with the nearest of them, if one is near, always.
[[noreturn]] void refuse_name(const std::string& source, const std::string& text,
                              const std::vector<std::string>& names);

/// "a,b,c" in parts; an empty text has one empty part.
std::vector<std::string> split_list(const std::string& text);

/// A flag as it is shown: numbers as short as they can be read back.
std::string format_number(double value);

}  // namespace vcas::tasks
