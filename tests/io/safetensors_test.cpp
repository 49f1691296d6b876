#include <cloze/io/safetensors.hpp>

#include <fstream>

#include "support/catch.hpp"
#include "support/shared.hpp"

using namespace cloze;

namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

// A file of this header and data, whatever they claim.
std::string file_of(const std::string& header, const std::string& data = "") {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i));
  return text + header + data;
}

SafetensorsFile open_bytes(const std::string& text) {
  return SafetensorsFile::from_bytes(bytes_of(text), "test.safetensors");
}
SafetensorsFile open_file(const std::string& header, const std::string& data = "") {
  return open_bytes(file_of(header, data));
}

template <class T>
std::string raw(std::initializer_list<T> values) {
  std::string text(values.size() * sizeof(T), '\0');
  std::memcpy(text.data(), values.begin(), text.size());
  return text;
}

}  // namespace

TEST_CASE("a safetensors file gives its names, shapes, metadata and values") {
  const auto file = open_file(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
      R"("a":{"dtype":"I64","shape":[2],"data_offsets":[16,32]},"none":{"dtype":"F16","shape":[0,3],"data_offsets":[32,32]},)"
      R"("one":{"dtype":"F64","shape":[],"data_offsets":[32,40]}}   )",
      raw<float>({1, 2, 3, -4}) + raw<std::int64_t>({7, -8}) + raw<double>({0.5}));
  CHECK(file.names() == std::vector<std::string>{"b", "a", "none", "one"});
  CHECK(file.metadata().at("format") == "pt");
  CHECK(file.contains("a"));
  CHECK_FALSE(file.contains("c"));
  CHECK(file.info("b").shape == Shape{2, 2});
  CHECK(file.read<float>("b").to_vector() == std::vector<float>{1, 2, 3, -4});
  CHECK(file.read<double, Reference>("b").to_vector() == std::vector<double>{1, 2, 3, -4});
  CHECK(file.read_values<std::int64_t>("a") == std::vector<std::int64_t>{7, -8});
  CHECK(file.read_values<std::int32_t>("a") == std::vector<std::int32_t>{7, -8});
  CHECK(file.read<float>("none").shape() == Shape{0, 3});
  CHECK(file.read<float>("one").item() == 0.5f);
  CHECK(open_file("{}").names().empty());
}

TEST_CASE("16-bit and 8-bit tensors are converted, wherever their bytes lie") {
  const auto file = open_file(
      R"({"i":{"dtype":"I8","shape":[3],"data_offsets":[0,3]},"h":{"dtype":"F16","shape":[2],"data_offsets":[3,7]},)"
      R"("g":{"dtype":"BF16","shape":[2],"data_offsets":[7,11]},"y":{"dtype":"BOOL","shape":[2],"data_offsets":[11,13]}})",
      raw<std::int8_t>({-128, 0, 127}) + raw<std::uint16_t>({0x3C00, 0x0001, 0x3F80, 0xC000}) +
          raw<std::uint8_t>({0, 1}));
  CHECK(file.read<float>("h").to_vector() == std::vector<float>{1.0f, 0x1p-24f});
  CHECK(file.read<double>("h").to_vector() == std::vector<double>{1.0, 0x1p-24});
  CHECK(file.read<double>("g").to_vector() == std::vector<double>{1.0, -2.0});
  CHECK(file.read_values<int>("i") == std::vector<int>{-128, 0, 127});
  CHECK(file.read_values<std::uint8_t>("y") == std::vector<std::uint8_t>{0, 1});
}

TEST_CASE("a dtype or value that the caller's type cannot hold is refused") {
  const auto file = open_file(
      R"({"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"l":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}})",
      raw<double>({1e300}) + raw<std::int64_t>({std::int64_t{1} << 40}));
  CHECK(file.read<double>("d").item() == 1e300);
  REQUIRE_ERROR(file.read<float>("d"), "cloze.safetensors.7");
  REQUIRE_ERROR(file.read_values<std::int32_t>("l"), "cloze.safetensors.7");
  REQUIRE_ERROR(file.read_values<std::int64_t>("d"), "cloze.safetensors.7");
  REQUIRE_ERROR(file.read<double>("l"), "cloze.safetensors.7");
  std::vector<double> two(2);
  REQUIRE_ERROR(file.read_into("d", std::span<double>(two)), "cloze.safetensors.7");
  REQUIRE_ERROR(file.read<double>("absent"), "cloze.safetensors.6");
}

TEST_CASE("int8 rows with scales read as their product") {
  const std::string header =
      R"({"__metadata__":{"format":"cloze-int8-rows"},"w.scale":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("w":{"dtype":"I8","shape":[2,3],"data_offsets":[8,14]}})";
  const std::string data = raw<float>({0.5f, 2.0f}) + raw<std::int8_t>({-127, 0, 127, 1, -2, 3});
  const auto file = open_file(header, data);
  CHECK(file.is_quantised("w"));
  CHECK(file.is_scale("w.scale"));
  CHECK(file.read<float>("w").to_vector() == std::vector<float>{-63.5f, 0, 63.5f, 2, -4, 6});
  CHECK(file.read<double, Reference>("w").to_vector() == std::vector<double>{-63.5, 0, 63.5, 2, -4, 6});
  CHECK(file.read_values<std::int8_t>("w") == std::vector<std::int8_t>{-127, 0, 127, 1, -2, 3});

  auto other = header;
  other.replace(other.find("cloze-int8-rows"), 15, "something-else-");  // then it is a plain I8 tensor
  REQUIRE_ERROR(open_file(other, data).read<float>("w"), "cloze.safetensors.7");
  auto unscaled = header;
  unscaled.replace(unscaled.find("w.scale"), 7, "w.scalf");
  REQUIRE_ERROR(open_file(unscaled, data).read<float>("w"), "cloze.safetensors.8");
  auto misshapen = header;
  misshapen.replace(misshapen.find("[2,3]"), 5, "[3,2]");
  REQUIRE_ERROR(open_file(misshapen, data).read<float>("w"), "cloze.safetensors.8");
  const auto infinite = open_file(header, raw<float>({0.5f, HUGE_VALF}) + data.substr(8));
  REQUIRE_ERROR(infinite.read<float>("w"), "cloze.safetensors.8");
}

TEST_CASE("a file too short for its own header is refused at every length") {
  const std::string whole = file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", raw<float>({1, 2}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto wanted = size < whole.size() - 8 ? "cloze.safetensors.1" : "cloze.safetensors.5";
    REQUIRE_ERROR(open_bytes(whole.substr(0, size)), wanted);
  }
  REQUIRE_ERROR(open_bytes(whole + "x"), "cloze.safetensors.5");
  REQUIRE_ERROR(open_bytes(std::string(8, '\xFF')), "cloze.safetensors.1");
  REQUIRE_ERROR(open_bytes(std::string("\x01\xE1\xF5\x05\0\0\0\0", 8) + "{}"), "cloze.safetensors.1");  // 100,000,001
}

TEST_CASE("a header that is not the JSON of one is refused") {
  for (const auto* header : {"", " {}", "[]", "{", "{\"a\"}", "{\"\xFF\":1}", "{}x", "nul"})
    REQUIRE_ERROR(open_file(header), "cloze.safetensors.2");
  REQUIRE_ERROR(open_file("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}"), "cloze.json.3");
  for (const auto* entry :
       {R"("a":1)", R"("a":{})", R"("a":{"dtype":"F32","shape":[1]})",
        R"("a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]})",
        R"("a":{"dtype":3,"shape":[1],"data_offsets":[0,4]})", R"("a":{"dtype":"F32","shape":1,"data_offsets":[0,4]})",
        R"("a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]})",
        R"("a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})",
        R"("a":{"dtype":"F32","shape":[1,1,1,1,1,1,1],"data_offsets":[0,4]})",
        R"("a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]})",
        R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0]})",
        R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,-4]})",
        R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]})",
        R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,3]})",
        R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]})",
        R"("a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]})",    // 2^64 elements: 0 if it
                                                                                          // wrapped
        R"("a":{"dtype":"F32","shape":[2147483648,2147483648,4],"data_offsets":[0,0]})",  // 2^66 bytes
        R"("a":{"dtype":"F32","shape":[18446744073709551615,0],"data_offsets":[0,0]})", R"("__metadata__":3)",
        R"("__metadata__":{"a":3})"}) {
    INFO(entry);
    REQUIRE_ERROR(open_file("{" + std::string(entry) + "}", raw<float>({1})), "cloze.safetensors.4");
  }
}

TEST_CASE("tensors that overlap, leave gaps, reach beyond the file or are named twice are refused") {
  const auto with = [](std::string a, std::string b, std::size_t bytes) {
    return open_file(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
                         R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}",
                     std::string(bytes, 'x'));
  };
  CHECK(with("[0,4]", "[4,8]", 8).names() == std::vector<std::string>{"a", "b"});
  CHECK(with("[4,8]", "[0,4]", 8).names() == std::vector<std::string>{"b", "a"});
  REQUIRE_ERROR(with("[0,4]", "[3,7]", 8), "cloze.safetensors.5");
  REQUIRE_ERROR(with("[0,4]", "[0,4]", 8), "cloze.safetensors.5");
  REQUIRE_ERROR(with("[0,4]", "[5,9]", 9), "cloze.safetensors.5");
  REQUIRE_ERROR(with("[1,5]", "[5,9]", 9), "cloze.safetensors.5");
  REQUIRE_ERROR(with("[0,4]", "[4,8]", 7), "cloze.safetensors.5");
  REQUIRE_ERROR(with("[0,4]", "[4,8]", 9), "cloze.safetensors.5");
  REQUIRE_ERROR(with("[0,4]", "[18446744073709551611,18446744073709551615]", 8), "cloze.safetensors.5");
  REQUIRE_ERROR(
      open_file(
          R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
      "cloze.safetensors.3");
  REQUIRE_ERROR(open_file(R"({"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}})"),
                "cloze.safetensors.3");
}

TEST_CASE("errors name the file, the tensor, what was wanted and what was found") {
  try {
    open_file(R"({"layer.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,8]}})", "12345678");
    FAIL("no error");
  } catch (const Error& error) {
    const std::string text = error.what();
    for (const auto* part : {"test.safetensors", "layer.weight", "24", "[0,8]"}) CHECK(text.find(part) != text.npos);
  }
}

TEST_CASE("what is no regular file is refused") {
  REQUIRE_ERROR(SafetensorsFile("/nonexistent/model.safetensors"), "cloze.file.1");
  REQUIRE_ERROR(SafetensorsFile("/"), "cloze.file.1");
  REQUIRE_ERROR(SafetensorsFile("/dev/null"), "cloze.file.1");
}

TEST_CASE("moving an open file keeps it readable") {
  auto file = open_file(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", raw<float>({3}));
  const SafetensorsFile moved = std::move(file);
  CHECK(moved.read<float>("a").item() == 3);
}

TEST_CASE("real Hugging Face files open, and every tensor of them reads as finite numbers") {
  CLOZE_SHARED_OR_SKIP(golden, "data/golden/models");
  int files = 0;
  for (const auto& folder : std::filesystem::directory_iterator(golden)) {
    for (const auto* name : {"model.safetensors", "golden.safetensors"}) {
      if (!std::filesystem::exists(folder.path() / name)) continue;
      const SafetensorsFile file(folder.path() / name);
      ++files;
      REQUIRE_FALSE(file.names().empty());
      for (const auto& info : file.tensors()) {
        if (!is_floating(info.dtype)) continue;
        const auto values = file.read_values<double>(info.name);
        REQUIRE(std::ranges::all_of(values, [](double x) { return std::isfinite(x); }));
      }
    }
  }
  CHECK(files >= 16);
}
