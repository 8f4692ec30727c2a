#include "tasks/config_file.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <sstream>
#include <string_view>

#include "formats/file.h"
#include "vcas/formats/error.h"

namespace vcas::tasks {
namespace {

using formats::InputError;

int64_t line_of(const toml::node& node) { return static_cast<int64_t>(node.source().begin.line); }

ConfigEntry to_entry(const std::filesystem::path& path, std::string key, const toml::node& node) {
  const int64_t line = line_of(node);
  if (const auto* text = node.as_string()) return {std::move(key), line, FlagKind::text, text->get()};
  if (const auto* number = node.as_integer()) {
    return {std::move(key), line, FlagKind::integer, std::to_string(number->get())};
  }
  if (const auto* number = node.as_floating_point()) {
    return {std::move(key), line, FlagKind::number, format_number(number->get())};
  }
  if (const auto* flag = node.as_boolean()) {
    return {std::move(key), line, FlagKind::boolean, flag->get() ? "true" : "false"};
  }
  throw InputError(path.string(), line,
                   fmt::format("{}: expected a string, number or boolean, got a table, list or date", key));
}

toml::table parse(const std::filesystem::path& path) {
  try {
    return toml::parse(formats::read_file(path), path.string());
  } catch (const toml::parse_error& error) {
    throw InputError(path.string(), static_cast<int64_t>(error.source().begin.line),
                     fmt::format("expected TOML: {}", error.description()));
  }
}

}  // namespace

std::vector<ConfigEntry> read_config_file(const std::filesystem::path& path) {
  std::vector<ConfigEntry> entries;
  const toml::table table = parse(path);
  for (const auto& [key, node] : table)
    entries.push_back(to_entry(path, std::string(std::string_view(key)), node));
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  return entries;
}

}  // namespace vcas::tasks
