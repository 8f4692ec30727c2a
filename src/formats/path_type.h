#pragma once

#include <filesystem>
#include <system_error>

#include "vcas/formats/error.h"

namespace vcas::formats {

/// What stands at a path, links followed; not_found where nothing does.
/// @throws InputError "model: cannot open: File name too long": where the system cannot tell, also for a link
/// to itself or a folder that may not be looked into.
inline std::filesystem::file_type path_type(const std::filesystem::path& path) {
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  if (error && type != std::filesystem::file_type::not_found)
    throw InputError(path.string(), "cannot open: " + error.message());
  return type;
}

/// Whether anything stands there. @throws InputError as path_type.
inline bool exists(const std::filesystem::path& path) {
  return path_type(path) != std::filesystem::file_type::not_found;
}

}  // namespace vcas::formats
