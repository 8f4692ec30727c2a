#include "text/tokenizer_class.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "formats/path_type.h"
#include "vcas/formats/json.h"

namespace vcas::text {
namespace {

constexpr std::string_view kKey = "tokenizer_class";
// Names that transformers 5 takes for BertTokenizer itself.
constexpr std::array kBertClasses = {"BertTokenizer",   "ElectraTokenizer",    "LayoutLMTokenizer",
                                     "LxmertTokenizer", "MobileBertTokenizer", "SqueezeBertTokenizer"};
constexpr std::array kTokenizerJsonClasses = {"PreTrainedTokenizer", "PythonBackend", "TokenizersBackend"};

std::optional<TokenizerClass> class_of(std::string_view name) {
  if (name.ends_with("Fast")) name.remove_suffix(4);
  if (std::ranges::find(kBertClasses, name) != kBertClasses.end()) return TokenizerClass::bert;
  if (name == "DistilBertTokenizer") return TokenizerClass::distilbert;
  if (std::ranges::find(kTokenizerJsonClasses, name) != kTokenizerJsonClasses.end())
    return TokenizerClass::tokenizer_json;
  return std::nullopt;
}

}  // namespace

TokenizerClass read_tokenizer_class(const std::filesystem::path& folder) {
  for (const char* name : {"tokenizer_config.json", "config.json"}) {
    const auto path = folder / name;
    if (!formats::exists(path)) continue;
    const nlohmann::json json = formats::read_json(path);
    const formats::JsonObject object(json, path.string());
    if (!object.has(kKey)) continue;
    if (const auto known = class_of(object.string(kKey))) return *known;
    object.fail(kKey,
                "a WordPiece tokenizer: 'BertTokenizer' or one of its kind (DistilBert, Electra, "
                "LayoutLM, Lxmert, MobileBert, SqueezeBert), or 'PreTrainedTokenizerFast'");
  }
  return TokenizerClass::bert;
}

}  // namespace vcas::text
