// What users' programs write and Hugging Face's datasets reads: Excel, pandas, json.dumps, old line ends.

#include <gtest/gtest.h>

#include <algorithm>

#include "formats/delimited.h"
#include "formats/records.h"
#include "formats/support.h"

namespace vcas::formats {
namespace data_files_test {

using Rows = std::vector<std::vector<std::string>>;
using Kinds = std::vector<CellKind>;

Rows read(TableFormat format, std::string_view text, const TableOptions& options = {}) {
  Rows rows;
  for (const auto& row : parse_table(text, "t", format, {"a", "b"}, options).rows) rows.push_back(row.values);
  return rows;
}

std::vector<int64_t> lines(TableFormat format, std::string_view text) {
  std::vector<int64_t> result;
  for (const auto& row : parse_table(text, "t", format, {"a", "b"}).rows) result.push_back(row.line);
  return result;
}

TEST(Csv, LinesEndWithAnyOfThree) {
  using enum TableFormat;
  EXPECT_EQ(read(csv, "a,b\r1,2\r3,4\r"), (Rows{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(read(csv, "a,b\r1,2\n3,\"4\"\r\n5,6"), (Rows{{"1", "2"}, {"3", "4"}, {"5", "6"}}));
  EXPECT_EQ(read(tsv, "a\tb\r1\t2\r"), (Rows{{"1", "2"}}));
  EXPECT_EQ(lines(csv, "a,b\r\"x\ry\",2\r\r3,4\r\n5,6\r"), (std::vector<int64_t>{2, 5, 6}));
  EXPECT_EQ(read(csv, "a,b\n\"x\ry\",2\n"), (Rows{{"x\ry", "2"}}));
}

TEST(Csv, AQuoteInsideAFieldIsACharacter) {
  using enum TableFormat;
  EXPECT_EQ(read(csv, "a,b\nhe said \"good\",2\n"), (Rows{{"he said \"good\"", "2"}}));
  EXPECT_EQ(read(csv, "a,b\n \"x\",2\"\n"), (Rows{{" \"x\"", "2\""}}));
}

TEST(Csv, RawFieldsKeepTheirQuotes) {
  EXPECT_EQ(read(TableFormat::csv, "a,b\n\"x\",2\n\"y,3\n", {false, ""}),
            (Rows{{"\"x\"", "2"}, {"\"y", "3"}}));
}

TEST(Csv, SkipsLinesOfBlanks) {
  using enum TableFormat;
  EXPECT_EQ(read(csv, "  \na,b\n1,2\n \t \n3,4\n   "), (Rows{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(read(tsv, "a\tb\n1\t2\n  \n\t\n"), (Rows{{"1", "2"}, {"", ""}}));
}

TEST(Csv, ColumnsThatNobodyAskedForMayBeNamelessRepeatedOrCutOff) {
  using enum TableFormat;
  EXPECT_EQ(read(csv, "a,b,,\n1,2,,\n3,4,5,\n"), (Rows{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(read(csv, ",n,a,n,b,n\n0,1,2,3,4,5\n"), (Rows{{"2", "4"}}));
  EXPECT_EQ(read(csv, "a,b,n\n1,2\n3,4,5\n"), (Rows{{"1", "2"}, {"3", "4"}}));
}

TEST(Csv, RowsOfEmptyFieldsAreMarked) {
  const auto table = parse_table("a,b,n\n1,2,\n,,\n,,3\n,,,,\n", "t", TableFormat::csv, {"a", "b"});
  std::vector<bool> blank;
  for (const auto& row : table.rows) blank.push_back(row.blank);
  EXPECT_EQ(blank, (std::vector<bool>{false, true, false, true}));
}

TEST(Header, HintsAtTheSeparator) {
  const auto hint = [](TableFormat format, std::string_view text) {
    const auto message = input_error([&] { read(format, text); });
    const auto begin = message.find("did you mean");
    return begin == message.npos ? message : message.substr(begin);
  };
  using enum TableFormat;
  EXPECT_EQ(hint(csv, "a;b\n1;2\n"),
            "did you mean a file separated by ';'? Fields of this one are separated by commas");
  EXPECT_EQ(
      hint(csv, "a\tb\n1\t2\n"),
      "did you mean a file separated by tabs? Fields of this one are separated by commas, those of a .tsv "
      "file by tabs");
  EXPECT_EQ(hint(tsv, "a,b\n1,2\n"),
            "did you mean a file separated by ','? Fields of this one are separated by tabs");
  EXPECT_EQ(hint(csv, "c;d\n1;2\n"), "t:1: no column 'a'; there are 'c;d'");
  const std::string semicolons = "did you mean a file separated by ';'? Fields of this one are separated by ";
  for (const auto* text : {"\"a\";\"b\"\n\"1\";2\n", "\xEF\xBB\xBF\"a\";\"b\"\n1;2\n", " a ; b \r\n1;2\n"}) {
    EXPECT_EQ(hint(csv, text), semicolons + "commas") << text;
    EXPECT_EQ(hint(tsv, text), semicolons + "tabs") << text;
  }
  EXPECT_TRUE(hint(csv, "\"a\"\t\"b\"\n1\t2\n").starts_with("did you mean a file separated by tabs?"));
  EXPECT_TRUE(hint(tsv, "\"a\",\"b\"\n1,2\n").starts_with("did you mean a file separated by ','?"));
  EXPECT_EQ(hint(csv, "\"c\";\"d\"\n1;2\n"),
            "t:1: bad quoting: expected a comma or the line's end after the closing quote of 'c'");
}

TEST(Header, IsNotExcelsMarkOfASeparator) {
  const auto hint = [](std::string_view text) {
    const auto message = input_error([&] { read(TableFormat::csv, text); });
    return message.substr(std::min(message.find("; the first line"), message.size()));
  };
  EXPECT_EQ(
      hint("sep=;\r\na;b\r\n1;2\r\n"),
      "; the first line is Excel's mark of a separator ('sep=;'): take it out and save the file with fields "
      "separated by commas");
  EXPECT_EQ(hint("\xEF\xBB\xBFsep=,\na,b\n1,2\n"),
            "; the first line is Excel's mark of a separator ('sep=,'): take it out");
}

struct Quoting {
  std::string text;
  bool quoted;
};

TEST(TsvQuoting, FollowsTheFile) {
  const std::vector<Quoting> cases = {
      {"a\tb\n\"dog \"\"good\"\" cat\"\t0\nold bread\t1\n", true},
      {"a\tb\n\"one\ntwo\"\t0\n", true},
      {"\"a\"\t\"b\"\n\"x\"\t\"0\"\n", true},
      {"a\tb\n\"one\ttwo\"\t0\n", true},
      {"a\tb\n\"\"\t0\n", true},
      {"a\tb\nsay \"good\" dog\t0\n", false},
      {"a\tb\n\"good\" dog\t0\n", false},
      {"a\tb\n\"dog \"\"good\"\" cat\"\t0\nsay \"good\" dog\t1\n", false},
      {"a\tb\n\"never closed\t0\n", false},
      {"a\tb\n\"one sentence\t0\nand its end\"\t1\n", false},
      {"a\tb\n\"one\t0\ntwo\"\n", false},
      {"a\tb\tn\n\"dog \"\"good\"\" cat\"\t0\nold bread\t1\tnote\n", true},
      {"a\tb\n\"x\"\t\"0\"\n\n\t\t\t\ny\t1\n", true},
      {"\"a\"\t\"b\"\t\"n\"\nx\t0\n", true},
      {"a\tb\tn\n\"one\ntwo\"\t0\tnote\nold bread\t1\n", true},
      {"a\tb\n\"x\"\t0\t1\n", false},
      {"a\tb\tn\n\"one\ntwo\"\t0\n", false},
      {"a\tb\tn\n\"one sentence\t0\tn\nand its end\"\t1\tn\nold bread\t1\n", false},
  };
  for (const auto& [text, quoted] : cases) EXPECT_EQ(fields_are_quoted(text, '\t'), quoted) << text;
}

TEST(TsvQuoting, IsToldAndCanBeSet) {
  const std::string_view text = "a\tb\n\"x\"\"y\"\t0\n";
  const auto table = parse_table(text, "t", TableFormat::tsv, {"a", "b"});
  EXPECT_EQ(table.quoted_by_content, std::optional(true));
  EXPECT_EQ(table.rows[0].values[0], "x\"y");
  const auto raw = parse_table(text, "t", TableFormat::tsv, {"a", "b"}, {false, ""});
  EXPECT_EQ(raw.quoted_by_content, std::nullopt);
  EXPECT_EQ(raw.rows[0].values[0], "\"x\"\"y\"");
  EXPECT_EQ(parse_table("a\tb\nx\ty\n", "t", TableFormat::tsv, {}).quoted_by_content, std::nullopt);
  EXPECT_EQ(input_error([] {
              read(TableFormat::tsv, "a\tb\n\"x\"y\t0\n", {true, ""});
            }),
            "t:2: bad quoting: expected a tab or the line's end after the closing quote of 'x'");
}

TEST(Json, ReadsWhatDatasetsReads) {
  const Rows expected{{"x", "1"}, {"y", "2"}};
  for (const std::string_view text : {
           R"({"a":"x","b":1})"
           "\n"
           R"({"a":"y","b":2})"
           "\n",
           R"({"a":"x","b":1} {"a":"y","b":2})",
           R"({"a":"x","b":1})"
           "\r"
           R"({"a":"y","b":2})"
           "\r",
           R"({"a":"x","b":1})"
           "\r\n \r\n"
           R"({"a":"y","b":2})",
           "[{\"a\":\"x\",\"b\":1},{\"a\":\"y\",\"b\":2}]",
           "[\n {\n  \"a\": \"x\",\n  \"b\": 1\n },\n {\n  \"a\": \"y\",\n  \"b\": 2\n }\n]\n",
           "{\n \"a\": \"x\",\n \"b\": 1\n}\n{\n \"a\": \"y\",\n \"b\": 2\n}\n",
           "{\"a\":\"x\",\"b\":1}\n{\n \"a\": \"y\",\n \"b\": 2\n}\n",
           "\xEF\xBB\xBF{\"n\":NaN,\"a\":\"x\",\"b\":1}\n{\"n\":[-Infinity,{\"m\":Inf}],\"a\":\"y\",\"b\":2}"
           "\n",
       }) {
    EXPECT_EQ(read(TableFormat::json, text), expected) << text;
  }
  EXPECT_EQ(lines(TableFormat::json, "[\n {\"a\":1,\"b\":2},\r\n\r\n {\"b\":1,\"a\":2}\r\n]"),
            (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(read(TableFormat::json, R"({"a":"NaN \" -Infinity\\","b":"Inf"})"),
            (Rows{{"NaN \" -Infinity\\", "Inf"}}));
}

TEST(Json, TheColumnOfAnyValueHasKinds) {
  const auto table = parse_table(
      "{\"a\":\"x\",\"b\":true}\n{\"a\":\"x\",\"b\":null}\n{\"a\":\"x\",\"b\":-NaN}\n{\"a\":\"x\",\"b\":-"
      "Infinity}\n"
      "{\"a\":\"x\",\"b\":1.0}\n{\"a\":\"x\",\"b\":\"1\"}\n",
      "t", TableFormat::json, {"b"}, {{}, "b"});
  Kinds kinds;
  std::vector<std::string> values;
  for (const auto& row : table.rows) {
    kinds.push_back(row.kinds[0]);
    values.push_back(row.values[0]);
  }
  using enum CellKind;
  EXPECT_EQ(kinds, (Kinds{boolean, missing, missing, number, number, string}));
  EXPECT_EQ(values, (std::vector<std::string>{"true", "null", "-NaN", "-Infinity", "1.0", "1"}));
  EXPECT_EQ(input_error([] {
              read(TableFormat::json, R"({"a":true,"b":1})", {{}, "b"});
            }),
            "t:1: key 'a': expected a string or a number, got true");
}

TEST(Utf16, IsNamed) {
  EXPECT_NE(input_error([] {
              read(TableFormat::csv, std::string_view("\xFF\xFE"
                                                      "a\0,\0b\0\n\0",
                                                      10));
            }).find("UTF-16: save it as UTF-8"),
            std::string::npos);
  for (const auto text : {std::string_view("a\0,\0b\0\n\0", 8), std::string_view("\0a\0,\0b\0\n", 8)}) {
    const auto message = input_error([&] { read(TableFormat::csv, text); });
    EXPECT_TRUE(message.starts_with("t:1: expected UTF-8, got byte 0x00 (byte ")) << message;
    EXPECT_TRUE(message.ends_with("UTF-16: save it as UTF-8")) << message;
  }
}

}  // namespace data_files_test
}  // namespace vcas::formats
