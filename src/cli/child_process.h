#pragma once

#include <functional>
#include <string>
#include <vector>

namespace vcas::cli {

/// Runs this program with other arguments and waits for it. Its output is dropped, its messages are not.
/// @param arguments without the program's name.
/// @param stop_signal is asked whenever a signal arrives; one that it names is passed on.
/// @return exit status, or 128 + the signal that ended it.
/// @throws std::system_error when it cannot be started.
int run_self(const std::vector<std::string>& arguments, const std::function<int()>& stop_signal);

}  // namespace vcas::cli
