#include "formats/wordnet.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <stdexcept>

#include "formats/file.h"
#include "formats/message.h"
#include "formats/utf8.h"
#include "vcas/formats/error.h"

namespace vcas::formats {

namespace {

constexpr std::array<std::string_view, kLexicalFileCount> kLexicalFileNames = {
    "adj.all",          "adj.pert",           "adv.all",
    "noun.Tops",        "noun.act",           "noun.animal",
    "noun.artifact",    "noun.attribute",     "noun.body",
    "noun.cognition",   "noun.communication", "noun.event",
    "noun.feeling",     "noun.food",          "noun.group",
    "noun.location",    "noun.motive",        "noun.object",
    "noun.person",      "noun.phenomenon",    "noun.plant",
    "noun.possession",  "noun.process",       "noun.quantity",
    "noun.relation",    "noun.shape",         "noun.state",
    "noun.substance",   "noun.time",          "verb.body",
    "verb.change",      "verb.cognition",     "verb.communication",
    "verb.competition", "verb.consumption",   "verb.contact",
    "verb.creation",    "verb.emotion",       "verb.motion",
    "verb.perception",  "verb.possession",    "verb.social",
    "verb.stative",     "verb.weather",       "adj.ppl"};

/// The first characters of a line up to a space, which are taken off it.
std::string_view take_field(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

std::optional<int64_t> digits(std::string_view text, std::size_t count) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.size() != count || error != std::errc() || end != text.data() + text.size() || value < 0)
    return {};
  return value;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

Synset parse_line(std::string_view line, std::string_view source, int64_t number) {
  const auto expect = [&](bool holds, std::string_view what, std::string_view got) {
    if (!holds) throw InputError(source, number, fmt::format("expected {}, got {}", what, in_quotes(got)));
  };
  auto rest = line;
  const auto offset = take_field(rest);
  expect(digits(offset, 8).has_value(), "a synset offset of 8 digits", offset);
  const auto lexical_file = take_field(rest);
  const auto file_number = digits(lexical_file, 2);
  expect(file_number && *file_number < kLexicalFileCount, "a lexical file number in 00..44", lexical_file);
  const auto part_of_speech = take_field(rest);
  expect(
      part_of_speech.size() == 1 && std::string_view("nvasr").find(part_of_speech) != std::string_view::npos,
      "a part of speech (n, v, a, s or r)", part_of_speech);
  const auto bar = rest.find(" | ");
  expect(bar != rest.npos, "' | ' and a gloss", line);
  const auto gloss = trimmed(rest.substr(bar + 3));
  expect(!gloss.empty(), "a gloss after ' | '", line);
  return {fmt::format("{}{}", part_of_speech, offset), *file_number, std::string(gloss)};
}

}  // namespace

std::string_view lexical_file_name(int64_t number) {
  if (number < 0 || number >= kLexicalFileCount) {
    throw std::out_of_range(fmt::format("lexical_file_name: expected 0..44, got {}", number));
  }
  return kLexicalFileNames[static_cast<std::size_t>(number)];
}

std::vector<Synset> parse_wordnet(std::string_view text, std::string_view source) {
  require_utf8(text, source);
  std::vector<Synset> synsets;
  int64_t number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    // The licence comes first, its lines indented by two spaces.
    if (line.starts_with("  ") || trimmed(line).empty()) continue;
    synsets.push_back(parse_line(line, source, number));
  }
  if (synsets.empty()) throw InputError(source, "expected synsets of WordNet, got none");
  return synsets;
}

std::vector<Synset> read_wordnet(const std::filesystem::path& path) {
  return parse_wordnet(read_file(path), path.string());
}

}  // namespace vcas::formats
