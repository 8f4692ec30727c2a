#include "vcas/formats/json.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "formats/support.h"

namespace vcas::formats {
namespace json_test {

using nlohmann::json;

std::string parse_error(std::string_view text) {
  return input_error([&] { parse_json(text, "c.json"); });
}

TEST(ParseJson, ReadsEveryKindOfValue) {
  const auto value =
      parse_json(R"( {"a": [1, -2, 2.5, 1e3, true, false, null, "x\n\u00e9"], "b": {"c": {}}} )", "c.json");
  EXPECT_EQ(value["a"][0], 1);
  EXPECT_EQ(value["a"][1], -2);
  EXPECT_EQ(value["a"][2], 2.5);
  EXPECT_EQ(value["a"][3], 1000.0);
  EXPECT_EQ(value["a"][4], true);
  EXPECT_TRUE(value["a"][6].is_null());
  EXPECT_EQ(value["a"][7], "x\n\xC3\xA9");
  EXPECT_TRUE(value["b"]["c"].is_object());
  EXPECT_EQ(parse_json("7", "c.json"), 7);
}

TEST(ParseJson, ReadsContainersInsideArraysAndAfterThem) {
  const auto text = R"([[1,[2]],{"a":[{"b":[3]}],"c":4},[],{},5])";
  EXPECT_EQ(parse_json(text, "c.json").dump(), text);
}

json generated_value(int depth) {
  if (depth == 0) return *rc::gen::arbitrary<int64_t>();
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      return *rc::gen::string<std::string>();
    case 1:
      return *rc::gen::arbitrary<double>();
    case 2: {
      auto array = json::array();
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i) array.push_back(generated_value(depth - 1));
      return array;
    }
    default: {
      auto object = json::object();
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i)
        object["k" + std::to_string(i)] = generated_value(depth - 1);
      return object;
    }
  }
}

RC_GTEST_PROP(ParseJson, ReadsBackWhatWasDumped, ()) {
  // Dumping first settles what has no JSON form: invalid UTF-8 is replaced, an infinity becomes null.
  const auto text = generated_value(4).dump(-1, ' ', false, json::error_handler_t::replace);
  RC_ASSERT(parse_json(text, "c.json").dump() == text);
}

TEST(ParseJson, RefusesDuplicateKeysWithTheirLine) {
  EXPECT_EQ(parse_error("{\"a\": 1,\n \"b\": 2,\n \"a\": 3}"), "c.json:3: duplicate key 'a'");
  EXPECT_EQ(parse_error("{\"x\": {\"a\": 1, \"\\u0061\": 3}}"), "c.json:1: duplicate key 'a'");
  EXPECT_EQ(parse_json("{\"x\": {\"a\": 1}, \"y\": {\"a\": 3}}", "c.json").size(), 2u);
}

TEST(ParseJson, RefusesInvalidUtf8) {
  EXPECT_EQ(parse_error("{\"a\":\n\"\xE9\"}"),
            "c.json:2: expected UTF-8, got byte 0xe9 (byte 2 of the line)");
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const auto* text : {"", " ", "{", "[1,]", "{\"a\":}", "{'a':1}", "{\"a\":1,}", "NaN", "nul", "[1] 2",
                           "\"\\ud800\"", "\"open", "01", "1e999", "{\"a\" 1}", "// c\n1", "[1}"}) {
    EXPECT_EQ(parse_error(text).substr(0, 20), "c.json:1: not JSON: ") << text;
  }
}

TEST(ParseJson, NamesTheLineOfASyntaxError) {
  EXPECT_EQ(parse_error("{\n\"a\": 1,\n\"b\": tru\n}").substr(0, 9), "c.json:3:");
  EXPECT_EQ(parse_error("{\n\"a\": 1\n\"b\": 2}").substr(0, 9), "c.json:3:");
}

TEST(ParseJson, CutsALongMessageOnACharactersBoundary) {
  std::string text = "[\"";
  for (int i = 0; i < 100'000; ++i) text += "\xC3\xA9";
  const auto message = parse_error(text);
  EXPECT_LT(message.size(), 300u);
  EXPECT_NE(message.find("not JSON"), std::string::npos);
}

TEST(ParseJson, LimitsNesting) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW(parse_json(nested(64), "c.json"));
  EXPECT_EQ(parse_error(nested(65)), "c.json:1: expected nesting of at most 64");
  EXPECT_EQ(parse_error(std::string(1'000'000, '[')), "c.json:1: expected nesting of at most 64");
}

TEST(ReadJson, NamesAFileThatCannotBeRead) {
  const TemporaryFolder folder;
  EXPECT_EQ(input_error([&] { read_json(folder.path() / "none.json"); }),
            (folder.path() / "none.json").string() + ": cannot open the file: No such file or directory");
  EXPECT_EQ(input_error([&] { read_json(folder.path()); }),
            folder.path().string() + ": expected a file, got a directory");
  const auto file = folder.write("c.json", "{\"a\": 1}");
  EXPECT_EQ(read_json(file)["a"], 1);
}

class JsonObjectTest : public ::testing::Test {
 protected:
  const json document_ =
      parse_json(R"({"hidden_size": 384, "name": "bert", "eps": 1e-12, "flag": true, "nothing": null,
      "text": "768", "big": 18446744073709551615, "inner": {"p": 0.1}, "list": [1]})",
                 "config.json");
  const JsonObject object_{document_, "config.json"};
};

TEST_F(JsonObjectTest, GivesTypedValues) {
  EXPECT_EQ(object_.integer("hidden_size"), 384);
  EXPECT_EQ(object_.string("name"), "bert");
  EXPECT_EQ(object_.number("eps"), 1e-12);
  EXPECT_EQ(object_.number("hidden_size"), 384.0);
  EXPECT_TRUE(object_.boolean("flag"));
  EXPECT_EQ(object_.object("inner").number("p"), 0.1);
  EXPECT_EQ(object_.value("list"), json::array({1}));
}

TEST_F(JsonObjectTest, FallbackStandsForMissingAndNullOnly) {
  EXPECT_EQ(object_.integer_or("absent", 5), 5);
  EXPECT_EQ(object_.integer_or("nothing", 5), 5);
  EXPECT_EQ(object_.integer_or("hidden_size", 5), 384);
  EXPECT_EQ(object_.number_or("absent", 0.5), 0.5);
  EXPECT_EQ(object_.string_or("absent", "x"), "x");
  EXPECT_TRUE(object_.boolean_or("absent", true));
  EXPECT_THROW(object_.integer_or("text", 5), InputError);
  EXPECT_FALSE(object_.has("nothing"));
}

TEST_F(JsonObjectTest, NamesFileKeyExpectationAndValue) {
  const auto expect = [](const std::function<void()>& call, std::string_view message) {
    EXPECT_EQ(input_error(call), message);
  };
  expect([&] { object_.integer("text"); }, "config.json: key 'text': expected an integer, got '768'");
  expect([&] { object_.integer("eps"); }, "config.json: key 'eps': expected an integer, got 1e-12");
  expect([&] { object_.integer("absent"); }, "config.json: key 'absent': expected an integer, got nothing");
  expect([&] { object_.integer("big"); },
         "config.json: key 'big': expected an integer, got 18446744073709551615");
  expect([&] { object_.integer("hidden_size", 1, 64); },
         "config.json: key 'hidden_size': expected an integer in [1, 64], got 384");
  expect([&] { object_.integer("hidden_size", 400); },
         "config.json: key 'hidden_size': expected an integer of at least 400, got 384");
  expect([&] { object_.number("flag"); }, "config.json: key 'flag': expected a number, got true");
  expect([&] { object_.number("hidden_size", 0, 1); },
         "config.json: key 'hidden_size': expected a number in [0, 1], got 384");
  expect([&] { object_.string("inner"); }, "config.json: key 'inner': expected a string, got an object");
  expect([&] { object_.boolean("list"); }, "config.json: key 'list': expected true or false, got an array");
  expect([&] { object_.value("nothing"); }, "config.json: key 'nothing': expected a value, got null");
  expect([&] { object_.object("inner").string("p"); },
         "config.json: key 'inner.p': expected a string, got 0.1");
  expect([&] { JsonObject(document_["list"], "config.json"); },
         "config.json: expected a JSON object, got an array");
}

TEST(ReadJsonLog, NumbersLinesAndLeavesOutTheOneThatIsBeingWritten) {
  const TemporaryFolder folder;
  const auto lines = read_json_log(folder.write("log.jsonl", "{\"a\":1}\n{\"a\":[2]}\n{\"a\":"));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1].number, 2);
  EXPECT_EQ(lines[1].object["a"][0], 2);
  EXPECT_TRUE(read_json_log(folder.write("empty.jsonl", "")).empty());
  EXPECT_TRUE(read_json_log(folder.write("first.jsonl", "{\"a\"")).empty());
}

TEST(ReadJsonLog, NamesTheLineAtFault) {
  const TemporaryFolder folder;
  const auto error_of = [&](std::string_view content) {
    const auto file = folder.write("log.jsonl", content);
    return input_error([&] { read_json_log(file); });
  };
  EXPECT_NE(error_of("{}\n{\"a\":}\n").find("log.jsonl:2: not JSON"), std::string::npos);
  EXPECT_NE(error_of("{}\n[1]\n").find("log.jsonl:2: expected an object"), std::string::npos);
  EXPECT_NE(error_of("{}\n\n").find("log.jsonl:2"), std::string::npos);
  EXPECT_NE(error_of("{}\n{\"a\":\"\xff\"}\n").find("log.jsonl:2: expected UTF-8"), std::string::npos);
}

}  // namespace json_test
}  // namespace vcas::formats
