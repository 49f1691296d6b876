// JSON files with errors that name the file and the byte, and typed look-ups that never convert in silence.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>

namespace cloze {

namespace detail {

/// nlohmann::json copies and prints by recursion: text nested deeper than this is refused.
inline constexpr std::size_t json_max_depth = 256;

/// Builds a value from nlohmann's events. One parser instantiation serves all readers, and a reader that wants parts of
/// a file in a form of its own derives from this and takes their events first. Errors: [cloze.json.1], [cloze.json.3].
class JsonBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonBuilder(nlohmann::json& root, std::string_view where) : root_(root), where_(where) {}

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(std::int64_t value) override { return put(value); }
  bool number_unsigned(std::uint64_t value) override { return put(value); }
  bool number_float(double value, const std::string&) override { return put(value); }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(nlohmann::json::binary_t&) override { return false; }  // JSON text has none
  bool key(std::string& value) override {
    key_ = std::move(value);
    return true;
  }
  bool start_object(std::size_t) override { return open(nlohmann::json::value_t::object); }
  bool start_array(std::size_t) override { return open(nlohmann::json::value_t::array); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t byte, const std::string&, const nlohmann::json::exception& error) override {
    fail("cloze.json.1", "{}: broken JSON at byte {}: {}", where_, byte, error.what());
  }

  void parse(std::string_view text) {
    nlohmann::json::sax_parse(text.data(), text.data() + text.size(),
                              static_cast<nlohmann::json_sax<nlohmann::json>*>(this));
  }

 protected:
  /// Puts a value where the file has it.
  bool put(nlohmann::json value) {
    place(std::move(value));
    return true;
  }

  std::string_view where() const { return where_; }
  const std::string& key() const { return key_; }
  std::size_t depth() const { return open_.size(); }
  const nlohmann::json& innermost() const { return *open_.back(); }

 private:
  nlohmann::json& place(nlohmann::json value) {
    if (open_.empty()) return root_ = std::move(value);
    if (auto* object = open_.back()->get_ptr<nlohmann::json::object_t*>()) return (*object)[key_] = std::move(value);
    auto& array = *open_.back()->get_ptr<nlohmann::json::array_t*>();
    array.push_back(std::move(value));
    return array.back();
  }

  bool open(nlohmann::json::value_t container) {
    require(open_.size() < json_max_depth, "cloze.json.3", "{}: nested deeper than {} levels", where_, json_max_depth);
    open_.push_back(&place(nlohmann::json(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  nlohmann::json& root_;
  std::string_view where_;
  std::vector<nlohmann::json*> open_;  // containers that are not closed yet
  std::string key_;
};

}  // namespace detail

/// Parses JSON text; `where` names it in errors. Of a key given twice the last value counts. Errors: [cloze.json.1]
/// broken JSON, with the byte; [cloze.json.3] nested too deeply.
inline nlohmann::json parse_json(std::string_view text, std::string_view where) {
  nlohmann::json value;
  detail::JsonBuilder(value, where).parse(text);
  return value;
}

/// Reads and parses a JSON file. Errors: read_file's and parse_json's.
inline nlohmann::json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

/// An object without members. (nlohmann::json::object() also takes lists, and compiles slowly for it.)
inline nlohmann::json json_object() { return nlohmann::json(nlohmann::json::value_t::object); }

/// The value of `key`; null where `object` has none, or is no object.
inline const nlohmann::json* json_find(const nlohmann::json& object, std::string_view key) {
  const auto* members = object.get_ptr<const nlohmann::json::object_t*>();
  if (members == nullptr) return nullptr;
  const auto at = members->find(key);
  return at == members->end() ? nullptr : &at->second;
}

/// The members of an object in the order of their keys: `for (const auto& [key, value] : json_members(json, where))`.
/// `where` names the object in errors. Errors: [cloze.json.2] not an object.
inline const nlohmann::json::object_t& json_members(const nlohmann::json& object, std::string_view where) {
  const auto* members = object.get_ptr<const nlohmann::json::object_t*>();
  require(members != nullptr, "cloze.json.2", "{}: wanted an object, found {}", where,
          std::string_view(object.type_name()));
  return *members;
}

namespace detail {

template <class T>
inline constexpr bool is_json_list = false;
template <class T>
inline constexpr bool is_json_list<std::vector<T>> = true;

/// `value` as a T; `place` names it. nlohmann's own conversions are avoided: they accept too much and compile slowly.
template <class T>
T json_as(const nlohmann::json& value, std::string_view place, std::string_view where) {
  using Json = nlohmann::json;
  const auto require_type = [&](bool ok, std::string_view wanted) {
    require(ok, "cloze.json.2", "{}: \"{}\": wanted {}, found {}", where, place, wanted,
            std::string_view(value.type_name()));
  };
  if constexpr (std::same_as<T, Json>) {
    return value;
  } else if constexpr (std::same_as<T, bool>) {
    require_type(value.is_boolean(), "true or false");
    return *value.get_ptr<const bool*>();
  } else if constexpr (std::integral<T>) {
    require_type(value.is_number_integer(), "an integer");
    const auto* natural = value.get_ptr<const std::uint64_t*>();
    const std::int64_t number = *value.get_ptr<const std::int64_t*>();
    const bool in_range = natural ? std::in_range<T>(*natural) : std::in_range<T>(number);
    if (!in_range) fail("cloze.json.2", "{}: \"{}\": {} is out of range", where, place, value.dump());
    return static_cast<T>(number);
  } else if constexpr (std::floating_point<T>) {
    require_type(value.is_number(), "a number");
    if (const auto* real = value.get_ptr<const double*>()) return static_cast<T>(*real);
    if (const auto* natural = value.get_ptr<const std::uint64_t*>()) return static_cast<T>(*natural);
    return static_cast<T>(*value.get_ptr<const std::int64_t*>());
  } else if constexpr (std::same_as<T, std::string>) {
    require_type(value.is_string(), "a string");
    return *value.get_ptr<const std::string*>();
  } else if constexpr (is_json_list<T>) {
    require_type(value.is_array(), "a list");
    T list;
    for (const Json& element : value) list.push_back(json_as<typename T::value_type>(element, place, where));
    return list;
  } else {  // a map from strings
    require_type(value.is_object(), "an object");
    T map;
    for (const auto& [name, element] : json_members(value, where))
      map.emplace(name, json_as<typename T::mapped_type>(element, place, where));
    return map;
  }
}

}  // namespace detail

/// The value of `key` in `object` as a T: bool, an integer (in range, no fraction), a floating-point number,
/// std::string, nlohmann::json (any value), or a std::vector or std::map<std::string, …> of those. `where` names the
/// object in errors. Errors: [cloze.json.2] not an object, no such key, or a value of another type.
template <class T>
T json_get(const nlohmann::json& object, std::string_view key, std::string_view where) {
  require(object.is_object(), "cloze.json.2", "{}: wanted an object with key \"{}\", found {}", where, key,
          std::string_view(object.type_name()));
  const nlohmann::json* found = json_find(object, key);
  require(found != nullptr, "cloze.json.2", "{}: no key \"{}\"", where, key);
  return detail::json_as<T>(*found, key, where);
}

/// json_get, or `otherwise` where the key is absent or null (a present value of another type is still an error).
template <class T>
T json_get_or(const nlohmann::json& object, std::string_view key, T otherwise, std::string_view where) {
  require(object.is_object(), "cloze.json.2", "{}: wanted an object with key \"{}\", found {}", where, key,
          std::string_view(object.type_name()));
  const nlohmann::json* found = json_find(object, key);
  return found == nullptr || found->is_null() ? otherwise : detail::json_as<T>(*found, key, where);
}

}  // namespace cloze
