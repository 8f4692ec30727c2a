#include <algorithm>
#include <utility>

#include "data/keyed_hash.h"
#include "formats/wordnet.h"
#include "vcas/data/dataset.h"
#include "vcas/formats/error.h"

namespace vcas::data {
namespace {

constexpr uint64_t kHeldOutOf = 10;

std::vector<std::string> noun_class_names() {
  std::vector<std::string> names;
  for (int64_t i = 0; i < formats::kNounLexicalFileCount; ++i) {
    names.emplace_back(formats::lexical_file_name(formats::kFirstNounLexicalFile + i));
  }
  return names;
}

}  // namespace

uint64_t fnv1a64(std::string_view bytes) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
  return hash;
}

DatasetSplit read_wordnet_nouns(const std::filesystem::path& folder) {
  const auto path = folder / "data.noun";
  if (!std::filesystem::exists(path)) {
    throw formats::InputError(path.string(),
                              "expected WordNet 3.0 (Debian package wordnet-base), found no such file");
  }
  std::vector<formats::Synset> synsets = formats::read_wordnet(path);
  // By the mixed hash: FNV's own order would follow the last characters.
  std::ranges::sort(synsets, {}, [](const formats::Synset& synset) {
    return std::pair(mix64(fnv1a64(synset.id)), std::string_view(synset.id));
  });
  DatasetSplit split;
  split.train.label_names = split.validation.label_names = noun_class_names();
  for (formats::Synset& synset : synsets) {
    const int64_t label = synset.lexical_file - formats::kFirstNounLexicalFile;
    if (label < 0 || label >= formats::kNounLexicalFileCount) {
      throw formats::InputError(path.string(), "expected a noun's lexicographer file (3 to 28), got " +
                                                   std::to_string(synset.lexical_file) + " for " + synset.id);
    }
    TextDataset& part = fnv1a64(synset.id) % kHeldOutOf == 0 ? split.validation : split.train;
    part.texts.push_back(std::move(synset.gloss));
    part.labels.push_back(label);
  }
  return split;
}

}  // namespace vcas::data
