#pragma once

#include <cstdio>
#include <string_view>

namespace vcas::formats {

/// Writes text to a terminal or log that nobody may be reading: a stream that is closed or full loses it, and
/// nothing else happens.
void show(std::string_view text, std::FILE* stream = stderr);

/// Writes "vcas: message" and a line feed to stderr, as show() does.
void say(std::string_view message);

/// @throws std::system_error when something that was printed to stdout could not be written.
void require_results_written();

}  // namespace vcas::formats
