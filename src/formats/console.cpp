#include "formats/console.h"

#include <cerrno>
#include <string>
#include <system_error>

namespace vcas::formats {

void show(std::string_view text, std::FILE* stream) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
  std::clearerr(stream);
}

void say(std::string_view message) { show("vcas: " + std::string(message) + "\n"); }

void require_results_written() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw std::system_error(errno, std::generic_category(), "cannot write the result to stdout");
}

}  // namespace vcas::formats
