#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tasks/flags.h"

namespace vcas::tasks {

/// A key of a configuration file, its value as text.
struct ConfigEntry {
  std::string key;
  int64_t line = 0;
  FlagKind kind = FlagKind::text;
  std::string value;
};

/// Reads a flat TOML file. @throws formats::InputError naming file and line: it cannot be read, it is no
/// TOML, a key is a table, a list or a date.
std::vector<ConfigEntry> read_config_file(const std::filesystem::path& path);

}  // namespace vcas::tasks
