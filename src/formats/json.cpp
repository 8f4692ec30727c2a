#include "vcas/formats/json.h"

#include <fmt/format.h>

#include "formats/file.h"
#include "formats/json_sax.h"
#include "formats/message.h"
#include "formats/utf8.h"
#include "vcas/formats/error.h"

namespace vcas::formats {
namespace {

/// Builds a document and refuses what nlohmann's own builder accepts: duplicate keys and bottomless nesting.
class DocumentBuilder final : public JsonHandler {
 public:
  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(nlohmann::json::number_integer_t value) override { return add(value); }
  bool number_unsigned(nlohmann::json::number_unsigned_t value) override { return add(value); }
  bool number_float(nlohmann::json::number_float_t value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool start_object(std::size_t) override { return open(nlohmann::json::object()); }
  bool start_array(std::size_t) override { return open(nlohmann::json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    auto [place, fresh] = containers_.back()->get_ref<nlohmann::json::object_t&>().try_emplace(name, nullptr);
    if (!fresh) fail("duplicate key " + in_quotes(name));
    member_ = &place->second;
    return true;
  }

  nlohmann::json take() { return std::move(document_); }

 private:
  /// A value's place: the document, the member that the last key made, or the end of the array.
  nlohmann::json& put(nlohmann::json value) {
    if (containers_.empty()) return document_ = std::move(value);
    nlohmann::json& container = *containers_.back();
    if (container.is_array()) {
      container.push_back(std::move(value));
      return container.back();
    }
    return *member_ = std::move(value);
  }

  bool add(nlohmann::json value) {
    put(std::move(value));
    return true;
  }

  bool open(nlohmann::json container) {
    if (containers_.size() == kDeepestJson) fail(fmt::format("expected nesting of at most {}", kDeepestJson));
    containers_.push_back(&put(std::move(container)));
    return true;
  }

  bool close() {
    containers_.pop_back();
    return true;
  }

  nlohmann::json document_;
  // Only the innermost container grows, so that no pointer here is ever moved away from.
  std::vector<nlohmann::json*> containers_;
  nlohmann::json* member_ = nullptr;
};

/// A value as a message shows it. Containers are named, not printed: they may be large.
std::string shown(const nlohmann::json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
  return value.dump();
}

/// The value as int64, also when the file wrote it as an unsigned number.
std::optional<int64_t> as_integer(const nlohmann::json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return std::nullopt;
  }
  return value.get<int64_t>();
}

template <typename Number>
std::string described(std::string_view type, Number minimum, Number maximum) {
  using Limits = std::numeric_limits<Number>;
  const bool from = minimum != Limits::lowest();
  const bool to = maximum != Limits::max();
  if (from && to) return fmt::format("{} in [{}, {}]", type, minimum, maximum);
  if (from) return fmt::format("{} of at least {}", type, minimum);
  if (to) return fmt::format("{} of at most {}", type, maximum);
  return std::string(type);
}

nlohmann::json parsed(std::string_view text, std::string_view source, int64_t first_line) {
  DocumentBuilder builder;
  scan_json(text, source, first_line, builder);
  return builder.take();
}

}  // namespace

nlohmann::json parse_json(std::string_view text, std::string_view source) {
  require_utf8(text, source);
  return parsed(text, source, 1);
}

nlohmann::json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

std::vector<JsonLine> read_json_log(const std::filesystem::path& path) {
  const std::string content = read_file(path), source = path.string();
  const auto whole = std::string_view(content).substr(0, content.rfind('\n') + 1);  // npos + 1 is 0
  require_utf8(whole, source);
  std::vector<JsonLine> lines;
  int64_t number = 1;
  for (std::size_t begin = 0; begin < whole.size(); ++number) {
    const auto end = whole.find('\n', begin);
    auto object = parsed(whole.substr(begin, end - begin), source, number);
    if (!object.is_object()) throw InputError(source, number, "expected an object, got " + shown(object));
    lines.push_back({number, std::move(object)});
    begin = end + 1;
  }
  return lines;
}

JsonObject::JsonObject(const nlohmann::json& object, std::string source)
    : JsonObject(object, std::move(source), "") {
  if (!object.is_object()) throw InputError(source_, "expected a JSON object, got " + shown(object));
}

JsonObject::JsonObject(const nlohmann::json& object, std::string source, std::string prefix)
    : object_(&object), source_(std::move(source)), prefix_(std::move(prefix)) {}

void JsonObject::fail(std::string_view key, std::string_view expected) const {
  const auto found = object_->find(key);
  const auto got = found == object_->end() ? "nothing" : shown(*found);
  throw InputError(source_, fmt::format("key '{}{}': expected {}, got {}", prefix_, key, expected, got));
}

bool JsonObject::has(std::string_view key) const {
  const auto found = object_->find(key);
  return found != object_->end() && !found->is_null();
}

const nlohmann::json& JsonObject::value(std::string_view key) const {
  if (!has(key)) fail(key, "a value");
  return *object_->find(key);
}

std::string JsonObject::string(std::string_view key) const {
  if (!has(key) || !value(key).is_string()) fail(key, "a string");
  return value(key).get<std::string>();
}

bool JsonObject::boolean(std::string_view key) const {
  if (!has(key) || !value(key).is_boolean()) fail(key, "true or false");
  return value(key).get<bool>();
}

int64_t JsonObject::integer(std::string_view key, int64_t minimum, int64_t maximum) const {
  const auto number = has(key) ? as_integer(value(key)) : std::nullopt;
  if (!number || *number < minimum || *number > maximum) fail(key, described("an integer", minimum, maximum));
  return *number;
}

double JsonObject::number(std::string_view key, double minimum, double maximum) const {
  if (!has(key) || !value(key).is_number()) fail(key, described("a number", minimum, maximum));
  const auto number = value(key).get<double>();
  if (!(minimum <= number && number <= maximum)) fail(key, described("a number", minimum, maximum));
  return number;
}

JsonObject JsonObject::object(std::string_view key) const {
  if (!has(key) || !value(key).is_object()) fail(key, "an object");
  return JsonObject(value(key), source_, fmt::format("{}{}.", prefix_, key));
}

std::string JsonObject::string_or(std::string_view key, std::string fallback) const {
  return has(key) ? string(key) : std::move(fallback);
}

bool JsonObject::boolean_or(std::string_view key, bool fallback) const {
  return has(key) ? boolean(key) : fallback;
}

int64_t JsonObject::integer_or(std::string_view key, int64_t fallback, int64_t minimum,
                               int64_t maximum) const {
  return has(key) ? integer(key, minimum, maximum) : fallback;
}

double JsonObject::number_or(std::string_view key, double fallback, double minimum, double maximum) const {
  return has(key) ? number(key, minimum, maximum) : fallback;
}

}  // namespace vcas::formats
