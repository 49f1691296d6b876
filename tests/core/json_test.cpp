#include <cloze/core/json.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "text/temp_folder.hpp"

using namespace cloze;

TEST_CASE("JSON is read from a file, and a broken one is an error with file and byte") {
  cloze::test::TempFolder folder;
  folder.write("a.json", R"({"a": [1, 2]})");
  CHECK(json_get<std::vector<int>>(read_json(folder / "a.json"), "a", "a.json") == std::vector<int>{1, 2});
  folder.write("a.json", R"({"a": ])");
  REQUIRE_ERROR(read_json(folder / "a.json"), "cloze.json.1");
  CHECK_THROWS_WITH(read_json(folder / "a.json"), Catch::Contains("a.json: broken JSON at byte 7"));
  REQUIRE_ERROR(read_json(folder / "absent.json"), "cloze.file.1");
  for (const char* text : {"", "{", "[1,]", "{\"a\":\"\xC3\"}", "1e999", "{} x"})
    REQUIRE_ERROR(parse_json(text, "t"), "cloze.json.1");
}

TEST_CASE("JSON nested too deeply is refused, brackets in strings do not count") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(parse_json(nested(256), "t").is_array());
  REQUIRE_ERROR(parse_json(nested(257), "t"), "cloze.json.3");
  REQUIRE_ERROR(parse_json(nested(1'000'000), "t"), "cloze.json.3");
  CHECK(parse_json("\"\\\"" + std::string(1000, '[') + "\"", "t").is_string());
}

TEST_CASE("values are taken as the type they have and never converted") {
  const auto json =
      parse_json(R"({"t":true,"i":-3,"u":300,"big":18446744073709551615,"f":1.5,"s":"x","n":null,"o":{}})", "t");
  CHECK(json_get<bool>(json, "t", "t"));
  CHECK(json_get<int>(json, "i", "t") == -3);
  CHECK(json_get<std::uint64_t>(json, "big", "t") == UINT64_MAX);
  CHECK(json_get<double>(json, "f", "t") == 1.5);
  CHECK(json_get<float>(json, "i", "t") == -3.0f);
  CHECK(json_get<std::string>(json, "s", "t") == "x");
  CHECK(json_get<nlohmann::json>(json, "o", "t").is_object());
  CHECK(json_get_or(json, "n", 7, "t") == 7);
  CHECK(json_get_or(json, "absent", 7, "t") == 7);
  CHECK(json_get_or(json, "i", 7, "t") == -3);
  REQUIRE_ERROR(json_get<int>(json, "absent", "t"), "cloze.json.2");
  REQUIRE_ERROR(json_get<int>(json, "f", "t"), "cloze.json.2");
  REQUIRE_ERROR(json_get<int>(json, "t", "t"), "cloze.json.2");
  REQUIRE_ERROR(json_get<bool>(json, "i", "t"), "cloze.json.2");
  REQUIRE_ERROR(json_get<unsigned>(json, "i", "t"), "cloze.json.2");
  REQUIRE_ERROR(json_get<std::int8_t>(json, "u", "t"), "cloze.json.2");
  REQUIRE_ERROR(json_get<std::int64_t>(json, "big", "t"), "cloze.json.2");
  REQUIRE_ERROR(json_get<std::string>(json, "n", "t"), "cloze.json.2");
  REQUIRE_ERROR(json_get<std::vector<int>>(json, "o", "t"), "cloze.json.2");
  REQUIRE_ERROR(json_get_or<std::string>(json, "i", "", "t"), "cloze.json.2");
  REQUIRE_ERROR(json_get<int>(parse_json("[]", "t"), "a", "t"), "cloze.json.2");
}

TEST_CASE("members are found and walked in the order of their keys") {
  const auto json = parse_json(R"({"b":1,"a":null,"c":{}})", "t");
  REQUIRE(json_find(json, "b") != nullptr);
  CHECK(*json_find(json, "b") == 1);
  REQUIRE(json_find(json, "a") != nullptr);
  CHECK(json_find(json, "a")->is_null());
  CHECK(json_find(json, "") == nullptr);
  CHECK(json_find(json, "bb") == nullptr);
  CHECK(json_find(parse_json("[1]", "t"), "b") == nullptr);
  std::string keys;
  for (const auto& [key, value] : json_members(json, "t")) keys += key + value.dump();
  CHECK(keys == "anullb1c{}");
  CHECK(json_object().is_object());
  CHECK(json_members(json_object(), "t").empty());
  REQUIRE_ERROR(json_members(parse_json("[1]", "t"), "t"), "cloze.json.2");
  REQUIRE_ERROR(json_members(parse_json("null", "t"), "t"), "cloze.json.2");
}
