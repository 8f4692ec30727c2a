#pragma once

#include <exception>
#include <string>

namespace vcas::cli {

/// A closed or full stdout or stderr ends output and nothing else: SIGPIPE is ignored, and descriptors 0 to 2
/// that are closed are opened on /dev/null, so that no file of a run gets their numbers. A file that may not
/// grow further (ulimit -f) is a full disk: SIGXFSZ is ignored. SIGUSR1, which asks a run for a checkpoint,
/// ends no command.
void prepare_streams_and_signals();

/// What is said of a fault: one line, without a stack.
std::string message_of(const std::exception& error);

}  // namespace vcas::cli
