#include "tasks/flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "formats/nearest_name.h"
#include "tasks/config_file.h"
#include "vcas/formats/error.h"

namespace vcas::tasks {
namespace {

using formats::InputError;

[[noreturn]] void refuse(const std::string& source, const std::string& expected, const std::string& got) {
  throw InputError(source, fmt::format("expected {}, got '{}'", expected, got));
}

template <typename Number>
std::optional<Number> parse_number(const std::string& text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

template <typename Number>
Number require_number(const std::string& source, const std::string& text, const Range& range,
                      std::string_view what) {
  const auto value = parse_number<Number>(text);
  const std::string allowed = range.describe();
  const bool fits =
      value && std::isfinite(static_cast<double>(*value)) && range.contains(static_cast<double>(*value));
  if (!fits) refuse(source, allowed.empty() ? std::string(what) : fmt::format("{} {}", what, allowed), text);
  return *value;
}

bool require_boolean(const std::string& source, const std::string& text) {
  // "" is the bare flag. Hugging Face's parser takes these words too.
  for (const char* yes : {"", "true", "True", "1", "yes"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"false", "False", "0", "no"}) {
    if (text == no) return false;
  }
  refuse(source, "true or false", text);
}

const char* kind_name(FlagKind kind) {
  switch (kind) {
    case FlagKind::text:
      return "a string";
    case FlagKind::number:
      return "a number";
    case FlagKind::integer:
      return "an integer";
    case FlagKind::boolean:
      return "true or false";
  }
  return "a value";
}

/// Not CLI11's own default values: it would take them for what a flag without a value says.
std::string described(const std::string& help, const std::string& allowed, const std::string& default_value) {
  std::string notes = allowed;
  if (!default_value.empty()) notes += fmt::format("{}default {}", notes.empty() ? "" : "; ", default_value);
  return notes.empty() ? help : fmt::format("{} ({})", help, notes);
}

}  // namespace

bool Range::contains(double value) const {
  return (minimum_allowed ? value >= minimum : value > minimum) &&
         (maximum_allowed ? value <= maximum : value < maximum);
}

std::string Range::describe() const {
  const bool has_minimum = minimum != std::numeric_limits<double>::lowest();
  const bool has_maximum = maximum != std::numeric_limits<double>::max();
  if (!has_minimum && !has_maximum) return {};
  if (!has_maximum) return fmt::format("{} {}", minimum_allowed ? ">=" : ">", format_number(minimum));
  return fmt::format("in {}{}, {}{}", minimum_allowed ? '[' : '(', format_number(minimum),
                     format_number(maximum), maximum_allowed ? ']' : ')');
}

Range at_least(double minimum) { return {.minimum = minimum}; }
Range above(double minimum) { return {.minimum = minimum, .minimum_allowed = false}; }
Range between(double minimum, double maximum) { return {.minimum = minimum, .maximum = maximum}; }
Range from_to_below(double minimum, double maximum) {
  return {.minimum = minimum, .maximum = maximum, .maximum_allowed = false};
}
Range above_to(double minimum, double maximum) {
  return {.minimum = minimum, .maximum = maximum, .minimum_allowed = false};
}

void FlagTable::add(const std::string& name, double& value, Range range, const std::string& help) {
  add_flag(name, help, "NUMBER", range.describe(), format_number(value), FlagKind::number,
           [&value, range](const std::string& source, const std::string& text) {
             value = require_number<double>(source, text, range, "a number");
           });
}

void FlagTable::add(const std::string& name, int64_t& value, Range range, const std::string& help) {
  add_flag(name, help, "INTEGER", range.describe(), std::to_string(value), FlagKind::integer,
           [&value, range](const std::string& source, const std::string& text) {
             value = require_number<int64_t>(source, text, range, "an integer");
           });
}

void FlagTable::add(const std::string& name, std::optional<int64_t>& value, Range range,
                    const std::string& help) {
  add_flag(name, help, "INTEGER", range.describe(), {}, FlagKind::integer,
           [&value, range](const std::string& source, const std::string& text) {
             value = require_number<int64_t>(source, text, range, "an integer");
           });
}

void FlagTable::add(const std::string& name, uint64_t& value, const std::string& help) {
  add_flag(name, help, "INTEGER", at_least(0).describe(), std::to_string(value), FlagKind::integer,
           [&value](const std::string& source, const std::string& text) {
             value = require_number<uint64_t>(source, text, at_least(0), "an integer");
           });
}

void FlagTable::add(const std::string& name, bool& value, const std::string& help) {
  add_flag(name, help, "[true|false]", {}, value ? "true" : "false", FlagKind::boolean,
           [&value](const std::string& source, const std::string& text) {
             value = require_boolean(source, text);
           });
}

void FlagTable::add(const std::string& name, std::string& value, const std::string& help,
                    const std::string& type) {
  add_flag(name, help, type, {}, value, FlagKind::text,
           [&value](const std::string& source, const std::string& text) {
             if (text.empty()) refuse(source, "a value", text);
             value = text;
           });
}

void FlagTable::add(const std::string& name, std::optional<std::string>& value, const std::string& help) {
  add_flag(name, help, "TEXT", {}, {}, FlagKind::text,
           [&value](const std::string& source, const std::string& text) {
             if (text.empty()) refuse(source, "a value", text);
             value = text;
           });
}

void FlagTable::add(const std::string& name, std::filesystem::path& value, const std::string& help,
                    const std::string& type) {
  add_flag(name, help, type, {}, value.string(), FlagKind::text,
           [&value](const std::string& source, const std::string& text) {
             if (text.empty()) refuse(source, "a path", text);
             value = text;
           });
}

void FlagTable::add_named_choice(const std::string& name, const std::vector<std::string>& names,
                                 const std::string& present, const std::string& help,
                                 const std::vector<std::string>& unavailable,
                                 std::function<void(size_t)> choose) {
  const auto set = [names, unavailable, choose](const std::string& source, const std::string& text) {
    const auto found = std::find(names.begin(), names.end(), text);
    if (found != names.end()) return choose(static_cast<size_t>(found - names.begin()));
    if (std::find(unavailable.begin(), unavailable.end(), text) != unavailable.end()) {
      throw InputError(source, fmt::format("'{}' is not available in this version; available: {}", text,
                                           fmt::join(names, ", ")));
    }
    refuse_name(source, text, names);
  };
  add_flag(name, help, fmt::format("{}", fmt::join(names, "|")), {}, present, FlagKind::text, set);
}

void FlagTable::add_flag(const std::string& name, const std::string& help, std::string type,
                         std::string allowed, std::string default_value, FlagKind kind,
                         std::function<void(const std::string&, const std::string&)> set) {
  flags_.push_back({name, group_, help, std::move(type), std::move(allowed), std::move(default_value), kind,
                    /*list=*/false, std::move(set)});
}

void FlagTable::allow_list(const std::string& name) {
  const auto found =
      std::find_if(flags_.begin(), flags_.end(), [&](const Flag& flag) { return flag.name == name; });
  found->list = true;
  found->type += ",…";
}

void FlagTable::attach(CLI::App& command) {
  for (const auto& flag : flags_) {
    auto* option = command.add_option_function<std::string>(
        "--" + flag.name, [this, name = flag.name](const std::string& value) { given_[name] = value; },
        described(flag.help, flag.allowed, flag.default_value));
    option->type_name(flag.type)->group(flag.group)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    if (flag.kind == FlagKind::boolean) option->expected(0, 1);
  }
  command.add_option("--config", config_file_, "TOML file with the same keys; flags win")
      ->type_name("FILE")
      ->group("Configuration");
  command.allow_extras();
}

void FlagTable::apply(const CLI::App& command) {
  for (const auto& extra : command.remaining()) {
    if (!extra.starts_with('-')) throw InputError(fmt::format("expected a flag, got '{}'", extra));
    const auto name = extra.substr(std::min(extra.find_first_not_of('-'), extra.size()));
    throw InputError(fmt::format("unknown flag '{}'{}; --help lists all", extra,
                                 formats::nearest_hint(name.substr(0, name.find('=')), names(), "--")));
  }
  if (!config_file_.empty()) apply_file(config_file_);
  for (const auto& [name, value] : given_) {
    const Flag* flag = find(name);
    for (const auto& part : flag->list ? split_list(value) : std::vector{value}) flag->set("--" + name, part);
    effective_[name] = value;
  }
}

void FlagTable::apply_file(const std::filesystem::path& path) {
  for (const auto& entry : read_config_file(path)) {
    const std::string source = fmt::format("{}:{}: {}", path.string(), entry.line, entry.key);
    std::string name = entry.key;
    std::replace(name.begin(), name.end(), '-', '_');
    const Flag* flag = find(name);
    if (flag == nullptr) {
      throw InputError(source, "unknown key" + formats::nearest_hint(name, names()));
    }
    const bool integer_as_number = flag->kind == FlagKind::number && entry.kind == FlagKind::integer;
    if (entry.kind != flag->kind && !integer_as_number) {
      refuse(source, kind_name(flag->kind), entry.value);
    }
    flag->set(source, entry.value);
    effective_[name] = entry.value;
  }
}

const FlagTable::Flag* FlagTable::find(std::string_view name) const {
  const auto found =
      std::find_if(flags_.begin(), flags_.end(), [&](const Flag& flag) { return flag.name == name; });
  return found == flags_.end() ? nullptr : &*found;
}

std::vector<std::string> FlagTable::names() const {
  std::vector<std::string> names;
  for (const auto& flag : flags_) names.push_back(flag.name);
  names.emplace_back("config");
  return names;
}

void refuse_name(const std::string& source, const std::string& text, const std::vector<std::string>& names) {
  throw InputError(source, fmt::format("expected one of {}, got '{}'{}", fmt::join(names, ", "), text,
                                       formats::nearest_hint(text, names)));
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<std::string> with_underscores(std::vector<std::string> arguments) {
  for (auto& argument : arguments) {
    if (!argument.starts_with("--")) continue;
    const auto end =
        argument.begin() + static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size()));
    std::replace(argument.begin() + 2, end, '-', '_');
  }
  return arguments;
}

std::string format_number(double value) { return fmt::format("{}", value); }

}  // namespace vcas::tasks
