// What interoperability_test.py drives: the readers and writers behind a command line.

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "formats/tensorboard.h"

namespace {

using vcas::formats::SafetensorsFile;
using vcas::formats::TensorBoardWriter;

/// Reads a safetensors file and writes what was read.
void copy(const std::string& from, const std::string& to) {
  const SafetensorsFile file(from);
  vcas::formats::write_safetensors(to, file.tensors(), file.metadata());
}

/// Two writers in one folder: the second resumes at step 2.
void events(const std::string& folder) {
  TensorBoardWriter first(folder);
  for (int64_t step = 0; step < 4; ++step)
    first.add_scalar("train/loss", 1.0 / static_cast<double>(step + 1), step);
  first.add_scalar("train/learning_rate", 5e-5, 3);
  first.flush();
  TensorBoardWriter second(folder, 2);
  second.add_scalar("train/loss", 0.125, 2);
  second.flush();
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  try {
    if (arguments.size() == 3 && arguments[0] == "copy") {
      copy(arguments[1], arguments[2]);
    } else if (arguments.size() == 2 && arguments[0] == "events") {
      events(arguments[1]);
    } else {
      std::fputs("usage: formats_tool copy FROM TO | events FOLDER\n", stderr);
      return 2;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
