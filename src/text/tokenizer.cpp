#include "vcas/text/tokenizer.h"

#include "formats/path_type.h"
#include "text/tokenizer_files.h"
#include "text/wordpiece.h"

namespace vcas::text {

std::unique_ptr<const Tokenizer> read_tokenizer(const std::filesystem::path& folder) {
  // WordPiece is the only kind there is; it names another kind's files when it refuses them.
  return std::make_unique<WordPiece>(WordPiece::from_folder(folder));
}

std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const char* name : kTokenizerFiles) {
    if (formats::path_type(folder / name) == std::filesystem::file_type::regular)
      files.push_back(folder / name);
  }
  return files;
}

}  // namespace vcas::text
