// JSON files with errors that name the file and the byte, and typed look-ups that never convert in silence.
#pragma once

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>

namespace cloze {

namespace detail {

/// nlohmann::json copies and prints by recursion: text nested deeper than this is refused before it is parsed.
inline constexpr int json_max_depth = 256;

inline void check_json_depth(std::string_view text, std::string_view where) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      require(++depth <= json_max_depth, "cloze.json.3", "{}: nested deeper than {} levels at byte {}", where,
              json_max_depth, i);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
}

}  // namespace detail

/// Parses JSON text; `where` names it in errors. Errors: [cloze.json.1] broken JSON, with the byte;
/// [cloze.json.3] nested too deeply.
inline nlohmann::json parse_json(std::string_view text, std::string_view where) {
  detail::check_json_depth(text, where);
  try {
    return nlohmann::json::parse(text.begin(), text.end());
  } catch (const nlohmann::json::exception& error) {
    const auto* parse = dynamic_cast<const nlohmann::json::parse_error*>(&error);
    fail("cloze.json.1", "{}: broken JSON at byte {}: {}", where, parse ? parse->byte : 0, error.what());
  }
}

/// Reads and parses a JSON file. Errors: read_file's and parse_json's.
inline nlohmann::json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

/// The value of `key` in `object` as a T: bool, an integer (in range, no fraction), a floating-point number,
/// std::string, nlohmann::json (any value) or a container of those. `where` names the object in errors. Errors:
/// [cloze.json.2] not an object, no such key, or a value of another type.
template <class T>
T json_get(const nlohmann::json& object, std::string_view key, std::string_view where) {
  require(object.is_object(), "cloze.json.2", "{}: wanted an object with key \"{}\", found {}", where, key,
          object.type_name());
  const auto at = object.find(key);
  require(at != object.end(), "cloze.json.2", "{}: no key \"{}\"", where, key);
  const nlohmann::json& found = *at;
  const auto require_type = [&](bool ok, std::string_view wanted) {
    require(ok, "cloze.json.2", "{}: \"{}\": wanted {}, found {}", where, key, wanted, found.type_name());
  };
  if constexpr (std::same_as<T, nlohmann::json>) {
    return found;
  } else if constexpr (std::same_as<T, bool>) {
    require_type(found.is_boolean(), "true or false");
    return found.template get<bool>();
  } else if constexpr (std::integral<T>) {
    require_type(found.is_number_integer(), "an integer");
    const bool in_range = found.is_number_unsigned() ? std::in_range<T>(found.template get<std::uint64_t>())
                                                     : std::in_range<T>(found.template get<std::int64_t>());
    require(in_range, "cloze.json.2", "{}: \"{}\": {} is out of range", where, key, found.dump());
    return found.template get<T>();
  } else if constexpr (std::floating_point<T>) {
    require_type(found.is_number(), "a number");
    return found.template get<T>();
  } else if constexpr (std::same_as<T, std::string>) {
    require_type(found.is_string(), "a string");
    return found.template get<std::string>();
  } else {
    try {
      return found.template get<T>();
    } catch (const nlohmann::json::exception& error) {
      fail("cloze.json.2", "{}: \"{}\": {}", where, key, error.what());
    }
  }
}

/// json_get, or `otherwise` where the key is absent or null (a present value of another type is still an error).
template <class T>
T json_get_or(const nlohmann::json& object, std::string_view key, T otherwise, std::string_view where) {
  require(object.is_object(), "cloze.json.2", "{}: wanted an object with key \"{}\", found {}", where, key,
          object.type_name());
  const auto at = object.find(key);
  if (at == object.end() || at->is_null()) return otherwise;
  return json_get<T>(object, key, where);
}

}  // namespace cloze
