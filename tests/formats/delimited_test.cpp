#include "formats/delimited.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "formats/support.h"

namespace vcas::formats {
namespace delimited_test {

using Rows = std::vector<std::vector<std::string>>;

Rows values_of(const Table& table) {
  Rows rows;
  for (const auto& row : table.rows) rows.push_back(row.values);
  return rows;
}

Table parse(TableFormat format, std::string_view text, const std::vector<std::string>& columns = {}) {
  return parse_table(text, "t", format, columns);
}

Rows csv(std::string_view text, const std::vector<std::string>& columns = {}) {
  return values_of(parse(TableFormat::csv, text, columns));
}

TEST(Csv, ReadsRfc4180) {
  EXPECT_EQ(csv("a,b\n1,2\n3,4\n"), (Rows{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(csv("a,b\r\n1,2\r\n3,4"), (Rows{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(csv("a,b\n\"x, y\",\"say \"\"hi\"\"\"\n"), (Rows{{"x, y", "say \"hi\""}}));
  EXPECT_EQ(csv("a,b\n\"one\ntwo\r\nthree\",\"\"\n"), (Rows{{"one\ntwo\r\nthree", ""}}));
  EXPECT_EQ(csv("a,b\n,\n"), (Rows{{"", ""}}));
  EXPECT_EQ(csv("a,b\n1,\"\""), (Rows{{"1", ""}}));
  EXPECT_EQ(csv("\xEF\xBB\xBF\"a\",b\n1, 2 \n"), (Rows{{"1", " 2 "}}));
  EXPECT_EQ(csv("a\n\"\"\"\"\n\"\"\n"), (Rows{{"\""}, {""}}));
}

TEST(Csv, SelectsColumnsInTheOrderAsked) {
  const auto table = parse(TableFormat::csv, "a,b,c\n1,2,3\n4,5,6\n", {"c", "a"});
  EXPECT_EQ(table.columns, (std::vector<std::string>{"c", "a"}));
  EXPECT_EQ(values_of(table), (Rows{{"3", "1"}, {"6", "4"}}));
}

TEST(Csv, RowsKnowTheirLine) {
  const auto table = parse(TableFormat::csv, "a,b\n1,\"x\ny\"\n\n3,4\r\n\r\n5,6");
  ASSERT_EQ(table.rows.size(), 3u);
  EXPECT_EQ(table.rows[0].line, 2);
  EXPECT_EQ(table.rows[1].line, 5);
  EXPECT_EQ(table.rows[2].line, 7);
}

TEST(Tsv, TakesQuotesAsTheyAre) {
  const auto table = parse(TableFormat::tsv, "sentence\tlabel\nsay \"hi\t1\n\"a,b\"\t0\r\n\t2\n");
  EXPECT_EQ(values_of(table), (Rows{{"say \"hi", "1"}, {"\"a,b\"", "0"}, {"", "2"}}));
}

TEST(Jsonl, ReadsStringsAndNumbersAsText) {
  const auto text =
      "{\"text\": \"x\\n\\u00e9\", \"label\": 3}\n\n{\"label\": -2, \"other\": {\"deep\": [null, true]}, "
      "\"text\": \"\"}\r\n"
      "{\"text\": \"z\", \"label\": 1.50}\n{\"text\": \"w\", \"label\": 18446744073709551615}";
  const auto table = parse(TableFormat::json, text, {"text", "label"});
  EXPECT_EQ(values_of(table),
            (Rows{{"x\n\xC3\xA9", "3"}, {"", "-2"}, {"z", "1.50"}, {"w", "18446744073709551615"}}));
  EXPECT_EQ(table.rows[1].line, 3);
}

TEST(Jsonl, WithoutAChoiceTheFirstLineNamesTheColumns) {
  const auto table = parse(TableFormat::json, "{\"b\": 1, \"a\": \"x\"}\n{\"a\": \"y\", \"b\": 2}\n");
  EXPECT_EQ(table.columns, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(values_of(table), (Rows{{"x", "1"}, {"y", "2"}}));
}

struct BadTable {
  TableFormat format;
  std::string text;
  std::string message;  ///< how it begins
};

void expect_refused(const std::vector<BadTable>& tables, const std::vector<std::string>& columns) {
  for (const auto& bad : tables) {
    const auto message = input_error([&] { parse(bad.format, bad.text, columns); });
    EXPECT_EQ(message.substr(0, bad.message.size()), bad.message) << bad.text;
  }
}

TEST(ParseTable, RefusesBadCsvAndTsv) {
  using enum TableFormat;
  expect_refused(
      {
          {csv, "", "t: the file is empty, expected a line of column names"},
          {csv, "\xEF\xBB\xBF", "t: the file is empty"},
          {csv, "\n\r\n\n", "t: the file is empty"},
          {csv, "a,b\n", "t: expected at least one row, got none"},
          {tsv, "a\tb\n\n\n", "t: expected at least one row, got none"},
          {csv, "a,b\n1,2\n3\n", "t:3: expected 2 fields, as the first line names, got 1"},
          {csv, "a,b\n\"1\n\",2\n3,4,5\n", "t:4: expected 2 fields, as the first line names, got 3"},
          {tsv, "a\tb\n1\t2\t\n", "t:2: expected 2 fields, as the first line names, got 3"},
          {csv, "a,b\n\"x\"y,2\n",
           "t:2: bad quoting: expected a comma or the line's end after the closing quote of 'x'"},
          {csv, "a,b\n1,\"x\n\n2,3\n", "t:2: bad quoting: the quote that opens here is never closed"},
          {csv, "a,b\n1,\"", "t:2: bad quoting: the quote that opens here is never closed"},
          {tsv, "a\tb\nx\ry\t2\n", "t:2: expected 2 fields, as the first line names, got 1"},
          {csv, "a,b\n1,2\r3,4,5\r\n", "t:3: expected 2 fields, as the first line names, got 3"},
          {csv, "a,b,c\n1\n", "t:2: expected 3 fields, as the first line names, got 1"},
          {csv, "a,b\n1,2\n\xE9,4\n", "t:3: expected UTF-8, got byte 0xe9 (byte 1 of the line)"},
          {csv, "a,b\r1,2\r\xE9,4\r", "t:3: expected UTF-8, got byte 0xe9 (byte 1 of the line)"},
          {csv, "a,b,a\n1,2,3\n", "t:1: column 'a' is there twice"},
          {tsv, "a,b\n1,2\n", "t:1: no column 'a'; there are 'a,b'"},
      },
      {"a", "b"});
}

TEST(ParseTable, NamesTheNearestColumn) {
  using enum TableFormat;
  expect_refused(
      {
          {csv, "id,sentence,label\n1,x,0\n",
           "t:1: no column 'sentense'; the nearest name is 'sentence', there are 'id', 'sentence', 'label'"},
          {json, "{\"sentence\": \"x\", \"label\": 1}",
           "t:1: no column 'sentense'; the nearest name is 'sentence', there are 'label', 'sentence'"},
          {json, "{\"sentense\": \"x\"}\n{}", "t:2: no column 'sentense'; there are "},
      },
      {"sentense"});
}

TEST(ParseTable, RefusesBadJsonl) {
  using enum TableFormat;
  expect_refused(
      {
          {json, "", "t: the file is empty, expected objects or an array of them"},
          {json, "[]", "t: expected at least one row, got none"},
          {json, "\n  \n", "t: the file is empty"},
          {json, "{\"a\": 1}\n{\"a\": \n}", "t:2: not JSON"},
          {json, "{\"a\": 1},\n{\"a\": 2}", "t:1: not JSON"},
          {json, "{\"a\": 1}\r{\"a\": 2\r", "t:2: not JSON"},
          {json, "[{\"a\": 1},\n{\"a\": 2}", "t:2: not JSON"},
          {json, "[\n{\"a\": 1},\n{\"b\": 2}]", "t:3: no column 'a'; there are 'b'"},
          {json, "{\"a\": 1}\n[[1]]", "t:2: expected an object, got an array"},
          {json, "[\"a\"]", "t:1: expected an object, got a string or a number"},
          {json, "{\"a\": NaN}", "t:1: key 'a': expected a string or a number, got NaN"},
          {json, "{\"a\": 1, \"b\": nan}", "t:1: not JSON"},
          {json, "\"a\"", "t:1: expected an object, got a string or a number"},
          {json, "{\"a\": 1}\nnull", "t:2: expected an object, got null"},
          {json, "{\"a\": null}", "t:1: key 'a': expected a string or a number, got null"},
          {json, "{\"a\": true}", "t:1: key 'a': expected a string or a number, got true"},
          {json, "{\"a\": [1]}", "t:1: key 'a': expected a string or a number, got an array"},
          {json, "{\"b\": {\"a\": 2}, \"a\": {\"a\": 1}}",
           "t:1: key 'a': expected a string or a number, got an object"},
          {json, "{\"a\": 1, \"a\": 2}", "t:1: duplicate key 'a'"},
          {json, "{\"b\": {\"a\": 1}}", "t:1: no column 'a'; there are 'b'"},
          {json, "{\"b\":" + std::string(100'000, '['), "t:1: expected nesting of at most 64"},
          {json, "{\"a\": 1}\n{\"a\": \"\xFF\"}", "t:2: expected UTF-8"},
      },
      {"a"});
}

TEST(ReadTable, ChoosesByTheSuffix) {
  const TemporaryFolder folder;
  EXPECT_EQ(values_of(read_table(folder.write("t.CSV", "a,b\n1,2\n"), {"b"})), (Rows{{"2"}}));
  EXPECT_EQ(values_of(read_table(folder.write("t.tsv", "a\tb\n1\t2\n"), {"b"})), (Rows{{"2"}}));
  EXPECT_EQ(values_of(read_table(folder.write("t.jsonl", "{\"a\":1,\"b\":2}\n"), {"b"})), (Rows{{"2"}}));
  EXPECT_EQ(values_of(read_table(folder.write("t.JSON", "[{\"a\":1,\"b\":2}]\n"), {"b"})), (Rows{{"2"}}));
  EXPECT_EQ(input_error([] { read_table("t.txt", {}); }),
            "t.txt: expected a name that ends with .csv, .tsv, .jsonl or .json");
  EXPECT_EQ(input_error([] { read_table("/no/t.csv", {}); }),
            "/no/t.csv: cannot open the file: No such file or directory");
}

std::string generated_field(bool quotable) {
  const auto any = quotable ? rc::gen::element('a', 'b', ',', '"', '\n', '\r', '\t', ' ')
                            : rc::gen::element('a', 'b', ',', '"', ' ', '\\', '\'');
  return *rc::gen::container<std::string>(any);
}

Rows generated_rows(bool quotable) {
  const auto width = *rc::gen::inRange(2, 5);
  Rows rows(static_cast<std::size_t>(*rc::gen::inRange(1, 6)));
  for (auto& row : rows) {
    for (int i = 0; i < width; ++i) row.push_back(generated_field(quotable));
  }
  return rows;
}

std::vector<std::string> column_names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(fmt::format("c{}", i));
  return names;
}

std::string in_csv(const std::string& field) {
  std::string text(1, '"');
  for (const char c : field) text.append(c == '"' ? 2 : 1, c);
  return text.append(1, '"');
}

RC_GTEST_PROP(Csv, ReadsBackWhatWasWritten, (bool crlf)) {
  const auto rows = generated_rows(true);
  auto text = fmt::format("{}\n", fmt::join(column_names(rows[0].size()), ","));
  for (auto row : rows) {
    std::ranges::transform(row, row.begin(), in_csv);
    text += fmt::format("{}{}", fmt::join(row, ","), crlf ? "\r\n" : "\n");
  }
  RC_ASSERT(csv(text) == rows);
}

RC_GTEST_PROP(Tsv, ReadsBackWhatWasWritten, (bool crlf)) {
  const auto rows = generated_rows(false);
  auto text = fmt::format("{}\n", fmt::join(column_names(rows[0].size()), "\t"));
  for (const auto& row : rows) text += fmt::format("{}{}", fmt::join(row, "\t"), crlf ? "\r\n" : "\n");
  RC_ASSERT(values_of(parse(TableFormat::tsv, text)) == rows);
}

RC_GTEST_PROP(Jsonl, ReadsBackWhatWasWritten, ()) {
  const auto rows = generated_rows(true);
  std::string text;
  for (const auto& row : rows) {
    nlohmann::json object = nlohmann::json::object();
    const auto names = column_names(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) object[names[i]] = row[i];
    text += object.dump() + "\n";
  }
  RC_ASSERT(values_of(parse(TableFormat::json, text)) == rows);
}

}  // namespace delimited_test
}  // namespace vcas::formats
