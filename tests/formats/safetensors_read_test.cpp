#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "formats/safetensors.h"
#include "formats/support.h"

namespace vcas::formats {
namespace safetensors_read_test {

std::string little_endian(uint64_t value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string with_header(const std::string& header, std::size_t data_bytes = 0) {
  return little_endian(header.size()) + header + std::string(data_bytes, '\x01');
}

/// A header of one tensor 'x'.
std::string one_tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"x":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

SafetensorsContent parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "m.safetensors");
}

TEST(ParseSafetensors, ReadsTensorsAndMetadata) {
  const auto header = std::string(R"({"__metadata__":{"format":"pt","note":""},)") +
                      R"("b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)" +
                      R"("a":{"dtype":"U8","shape":[],"data_offsets":[8,9]},)" +
                      R"("none":{"dtype":"BF16","shape":[0,3],"data_offsets":[9,9]}}  )";
  const auto file = with_header(header) + "12345678" + "9";
  const auto content = parse(file);
  EXPECT_EQ(content.metadata, (MetadataMap{{"format", "pt"}, {"note", ""}}));
  ASSERT_EQ(content.tensors.size(), 3u);
  const auto& b = content.tensors.at("b");
  EXPECT_EQ(b.dtype, Dtype::f32);
  EXPECT_EQ(b.shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(b.bytes.data()), b.bytes.size()), "12345678");
  EXPECT_TRUE(content.tensors.at("a").shape.empty());
  EXPECT_EQ(static_cast<char>(content.tensors.at("a").bytes[0]), '9');
  EXPECT_TRUE(content.tensors.at("none").bytes.empty());
}

TEST(ParseSafetensors, ReadsAFileWithoutTensors) {
  EXPECT_TRUE(parse(with_header("{}")).tensors.empty());
  EXPECT_TRUE(parse(with_header(R"({"__metadata__":{}})")).metadata.empty());
}

TEST(ParseSafetensors, KnowsEveryDtypeOfTheFormat) {
  const std::vector<std::pair<std::string, std::size_t>> sizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
      {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"F64", 8},     {"I64", 8}, {"U64", 8}};
  for (const auto& [name, size] : sizes) {
    const auto file =
        with_header(one_tensor('"' + name + '"', "[3]", "[0," + std::to_string(3 * size) + "]"), 3 * size);
    const auto content = parse(file);
    EXPECT_EQ(dtype_name(content.tensors.at("x").dtype), name);
    EXPECT_EQ(dtype_size(content.tensors.at("x").dtype), size);
  }
}

struct BadFile {
  const char* what;
  std::string file;
  std::string message;  ///< what the message must contain
};

std::vector<BadFile> bad_lengths() {
  const auto good = with_header(one_tensor("\"U8\"", "[4]", "[0,4]"), 4);
  return {
      {"empty file", "", "the file is empty"},
      {"seven bytes", std::string(7, '\0'), "expected at least 8 bytes of header length, got 7"},
      {"length without header", little_endian(2),
       "expected a header of 2 bytes, got only 0: the file is truncated"},
      {"length zero", little_endian(0) + "{}", "begins with '{'"},
      {"length near 2^64", little_endian(~uint64_t{0}) + "{}", "got header length 18446744073709551615"},
      {"length that overflows when 8 is added", little_endian(~uint64_t{7}) + "{}",
       "header length 18446744073709551608"},
      {"length near 2^63", little_endian(uint64_t{1} << 63) + "{}", "header length 9223372036854775808"},
      {"length above 100 MB", little_endian(100'000'001) + "{}",
       "at most 100000000 bytes, got header length 100000001"},
      {"length of 100 MB in a small file", little_endian(100'000'000) + "{}",
       "got only 2: the file is truncated"},
      {"length beyond the file by one", little_endian(3) + "{}", "expected a header of 3 bytes, got only 2"},
      {"no brace", with_header(" {}"), "begins with '{'"},
      {"an array", with_header("[]"), "begins with '{'"},
      {"a text file", "sentence,label\nhello,1\n", "not a safetensors file"},
      {"data cut by one byte", good.substr(0, good.size() - 1),
       "tensor 'x': data_offsets [0, 4] reach beyond the 3 bytes"},
      {"one byte too many", good + "x", "expected 4 bytes of data for the tensors named, got 5"},
      {"data but no tensors", with_header("{}", 1), "expected 0 bytes of data for the tensors named, got 1"},
  };
}

std::vector<BadFile> bad_headers() {
  const auto tensor = [](const std::string& description) {
    return with_header(R"({"x":)" + description + "}", 4);
  };
  return {
      {"header cut", with_header("{"), "m.safetensors (header):1: not JSON"},
      {"garbage after the header's object", with_header("{} x"), "(header):1: not JSON"},
      {"invalid UTF-8", with_header("{\"\xFF\":1}"), "(header):1: expected UTF-8, got byte 0xff"},
      {"duplicate tensor",
       with_header(
           R"({"x":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})",
           1),
       "duplicate key 'x'"},
      {"duplicate dtype", tensor(R"({"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]})"),
       "duplicate key 'dtype'"},
      {"duplicate metadata", with_header(R"({"__metadata__":{},"__metadata__":{}})"),
       "duplicate key '__metadata__'"},
      {"bottomless nesting", with_header("{\"x\":" + std::string(100'000, '[')),
       "expected nesting of at most 64"},
      {"metadata no object", with_header(R"({"__metadata__":"pt"})"),
       "__metadata__: expected an object of strings"},
      {"metadata number", with_header(R"({"__metadata__":{"a":1}})"),
       "__metadata__: key 'a': expected a string, got number"},
      {"metadata nested", with_header(R"({"__metadata__":{"a":{}}})"), "expected a string, got object"},
      {"tensor no object", tensor("3"), "tensor 'x': expected an object with dtype, shape and data_offsets"},
      {"no dtype", tensor(R"({"shape":[4],"data_offsets":[0,4]})"), "tensor 'x': dtype is missing"},
      {"no shape", tensor(R"({"dtype":"U8","data_offsets":[0,4]})"), "tensor 'x': shape is missing"},
      {"no offsets", tensor(R"({"dtype":"U8","shape":[4]})"), "tensor 'x': data_offsets is missing"},
      {"dtype no string", with_header(one_tensor("8", "[4]", "[0,4]"), 4), "dtype: expected a string"},
      {"unknown dtype", with_header(one_tensor("\"F31\"", "[4]", "[0,4]"), 4), "such as F32, got 'F31'"},
      {"dtype in small letters", with_header(one_tensor("\"f32\"", "[1]", "[0,4]"), 4), "got 'f32'"},
      {"control characters in a name", with_header(R"({"a\u0000\u001bb":1})"), R"(tensor 'a\x00\x1bb')"},
  };
}

std::vector<BadFile> bad_places() {
  const auto u8 = [](const std::string& shape, const std::string& offsets, std::size_t bytes = 4) {
    return with_header(one_tensor("\"U8\"", shape, offsets), bytes);
  };
  const auto two = [](const std::string& a, const std::string& b, std::size_t bytes) {
    return with_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a +
                           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b + "}}",
                       bytes);
  };
  return {
      {"shape no array", u8("4", "[0,4]"), "shape: expected an array"},
      {"negative dimension", u8("[-4]", "[0,4]"), "shape: expected non-negative integers, got -4"},
      {"two negative dimensions", u8("[-2,-2]", "[0,4]"), "shape: expected non-negative integers, got -2"},
      {"fraction", u8("[4.0]", "[0,4]"), "shape: expected non-negative integers, got 4.0"},
      {"string", u8("[\"4\"]", "[0,4]"), "shape: expected non-negative integers, got string"},
      {"dimension above 2^63", u8("[9223372036854775808]", "[0,4]"),
       "dimension 9223372036854775808 overflows 63 bits"},
      {"dimension above 2^64", u8("[18446744073709551616]", "[0,4]"),
       "shape: expected non-negative integers"},
      {"product overflow", u8("[4294967296,4294967296]", "[0,0]", 0),
       "U8 [4294967296, 4294967296] overflows 63 bits"},
      {"product overflow to a fitting size", u8("[4611686018427387905,4]", "[0,4]"), "overflows 63 bits"},
      {"overflow by the element size", with_header(one_tensor("\"I64\"", "[1152921504606846976]", "[0,0]")),
       "overflows 63 bits"},
      {"overflow behind a zero", u8("[0,4294967296,4294967296]", "[0,0]", 0), "overflows 63 bits"},
      {"offsets no array", u8("[4]", "4"), "data_offsets: expected [begin, end]"},
      {"one offset", u8("[4]", "[4]"), "data_offsets: expected [begin, end]"},
      {"three offsets", u8("[4]", "[0,4,4]"), "data_offsets: expected [begin, end]"},
      {"negative offset", u8("[4]", "[-1,3]"), "data_offsets: expected non-negative integers, got -1"},
      {"begin after end", u8("[4]", "[4,0]"), "expected 4 bytes for U8 [4], got data_offsets [4, 0]"},
      {"begin after end, difference wraps to the size", u8("[4]", "[18446744073709551615,3]"),
       "got data_offsets [18446744073709551615, 3]"},
      {"too few bytes", u8("[4]", "[0,3]", 3), "expected 4 bytes for U8 [4], got data_offsets [0, 3]"},
      {"too many bytes", u8("[4]", "[0,5]", 5), "expected 4 bytes for U8 [4], got data_offsets [0, 5]"},
      {"beyond the data", u8("[4]", "[18446744073709551611,18446744073709551615]"), "a hole between tensors"},
      {"not at the beginning", u8("[4]", "[1,5]", 5),
       "expected data that begins at 0, got data_offsets [1, 5]: a hole"},
      {"overlap", two("[0,2]", "[1,3]", 3),
       "tensor 'b': expected data that begins at 2, got data_offsets [1, 3]: tensors overlap"},
      {"same place", two("[0,2]", "[0,2]", 2), "tensors overlap"},
      {"hole", two("[0,2]", "[3,5]", 5),
       "tensor 'b': expected data that begins at 2, got data_offsets [3, 5]: a hole"},
      {"hole at the end", two("[0,2]", "[2,4]", 6), "expected 4 bytes of data for the tensors named, got 6"},
  };
}

void expect_refused(const std::vector<BadFile>& files) {
  for (const auto& bad : files) {
    const auto message = input_error([&] { parse(bad.file); });
    EXPECT_EQ(message.substr(0, 13), "m.safetensors") << bad.what << ": " << message;
    EXPECT_NE(message.find(bad.message), std::string::npos) << bad.what << ": " << message;
  }
}

TEST(ParseSafetensors, RefusesBadLengths) { expect_refused(bad_lengths()); }
TEST(ParseSafetensors, RefusesBadHeaders) { expect_refused(bad_headers()); }
TEST(ParseSafetensors, RefusesBadShapesAndPlaces) { expect_refused(bad_places()); }

TEST(ParseSafetensors, EveryTruncationIsRefused) {
  const auto file = with_header(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})", 12);
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_NE(input_error([&] { parse(file.substr(0, size)); }), "no error") << size;
  }
}

TEST(SafetensorsFile, NamesWhatCannotBeRead) {
  const TemporaryFolder folder;
  const auto error_of = [](const std::filesystem::path& path) {
    return input_error([&] { SafetensorsFile{path}; });
  };
  const auto missing = folder.path() / "none.safetensors";
  EXPECT_EQ(error_of(missing), missing.string() + ": cannot open the file: No such file or directory");
  EXPECT_EQ(error_of(folder.path()), folder.path().string() + ": expected a file, got a directory");
  const auto empty = folder.write("empty.safetensors", "");
  EXPECT_EQ(error_of(empty), empty.string() + ": the file is empty, expected safetensors");
  EXPECT_EQ(error_of("/dev/null"), "/dev/null: expected a regular file");
}

}  // namespace safetensors_read_test
}  // namespace vcas::formats
