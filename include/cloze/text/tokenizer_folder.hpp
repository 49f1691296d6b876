// A Hugging Face folder's tokenizer files, read and written: tokenizer.json, or vocab.txt, or vocab.json and
// merges.txt.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <cloze/core/error.hpp>
#include <cloze/core/file.hpp>
#include <cloze/core/json.hpp>
#include <cloze/text/special_tokens.hpp>
#include <cloze/text/tokenizer_json.hpp>
#include <cloze/text/tokenizer_parts.hpp>

namespace cloze::detail::text {

/// Calls line(text, number) for each line, numbers from 1; a line ends with "\n" or "\r\n".
template <class Line>
void each_line(std::string_view text, Line&& line) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view one = text.substr(0, end);
    if (one.ends_with('\r')) one.remove_suffix(1);
    line(one, number);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

/// Errors: [cloze.text.1] with the byte.
inline void check_utf8(std::string_view text, std::string_view where) {
  for (std::size_t at = 0; at < text.size();) {
    const int bytes = decode_point(text, at).bytes;
    require(bytes > 0, "cloze.text.1", "{}: broken UTF-8 at byte {}", where, at);
    at += static_cast<std::size_t>(bytes);
  }
}

/// The class in the configuration, without "Fast". Errors: [cloze.text.10] one that has other rules than `known`.
template <std::size_t N>
void check_class(const Json& config, const std::array<const char*, N>& known, std::string_view where) {
  auto name = json_get_or<std::string>(config, "tokenizer_class", known[0], where);
  const std::string found = name;
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  for (const char* one : known) {
    if (name == one) return;
  }
  unsupported(where, "without a tokenizer.json, the tokenizer_class", found);
}

/// One token a line, its id the line's number from 0.
inline RawTokenizer read_vocab_txt(std::string_view text, const Json& config, std::string_view where,
                                   std::string_view config_where) {
  static constexpr std::array known{"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer"};
  check_class(config, known, config_where);
  if (!json_get_or(config, "do_basic_tokenize", true, config_where))
    unsupported(config_where, "the option", "do_basic_tokenize: false");
  const Json& never_split = member(config, "never_split");
  if (!never_split.is_null() && !never_split.empty()) unsupported(config_where, "the option", "never_split");
  check_utf8(text, where);
  RawTokenizer raw;
  raw.vocabulary.reserve(text.size() / 8, text.size());
  each_line(text, [&](std::string_view token, std::size_t number) {
    raw.vocabulary.add(token, static_cast<std::int64_t>(number) - 1, formatted("{}:{}", where, number));
  });
  raw.has_vocabulary = true;
  const bool lower = json_get_or(config, "do_lower_case", true, config_where);
  const Json& unk = member(config, "unk_token");
  raw.rest = parse_json(R"({"normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
                           "decoder": {"type": "WordPiece"}, "model": {"type": "WordPiece"}})",
                        where);
  Json& normalizer = raw.rest["normalizer"];
  normalizer["lowercase"] = lower;
  normalizer["strip_accents"] = json_get_or(config, "strip_accents", lower, config_where);
  normalizer["handle_chinese_chars"] = json_get_or(config, "tokenize_chinese_chars", true, config_where);
  Json& unknown = raw.rest["model"]["unk_token"];
  unknown = unk.is_object() ? member(unk, "content") : unk;
  if (unk.is_null()) unknown = std::string("[UNK]");
  return raw;
}

inline RawTokenizer read_vocab_json(std::string_view vocab, std::string_view merges, const Json& config,
                                    const std::filesystem::path& folder) {
  static constexpr std::array known{"RobertaTokenizer", "GPT2Tokenizer", "LongformerTokenizer", "BartTokenizer"};
  const std::string config_where = (folder / "tokenizer_config.json").string();
  const std::string merges_where = (folder / "merges.txt").string();
  check_class(config, known, config_where);
  check_utf8(merges, merges_where);
  RawTokenizer raw = read_tokenizer_json(vocab, (folder / "vocab.json").string(), true);
  require(raw.has_vocabulary, "cloze.json.2", "{}: wanted an object of ids", (folder / "vocab.json").string());
  each_line(merges, [&](std::string_view line, std::size_t number) {
    if (line.empty() || (number == 1 && line.starts_with("#version"))) return;
    raw.merges.add_line(line, formatted("{}:{}", merges_where, number), raw.merges.size() + 1);
  });
  raw.has_merges = true;
  const bool prefix = json_get_or(config, "add_prefix_space", false, config_where);
  raw.rest = parse_json(
      R"({"pre_tokenizer": {"type": "ByteLevel"}, "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE"}})",
      config_where);
  raw.rest["pre_tokenizer"]["add_prefix_space"] = prefix;
  return raw;
}

/// added_tokens_decoder of a tokenizer_config.json ({"id": token}) and added_tokens.json ({"token": id}): what the
/// vocabulary files lack.
inline void read_more_added_tokens(TokenizerParts& parts, const Json& config, const Json& added,
                                   const std::filesystem::path& folder) {
  const auto known = [&](const std::string& content) {
    for (const AddedToken& token : parts.added.tokens()) {
      if (token.content == content) return true;
    }
    return false;
  };
  const std::string where = formatted("{}: added_tokens_decoder", (folder / "tokenizer_config.json").string());
  const Json& decoder = member(config, "added_tokens_decoder");
  static const Json none = json_object();
  for (const auto& [key, json] : json_members(decoder.is_null() ? none : decoder, where)) {
    std::int64_t id = key.empty() || key.size() > 9 ? -1 : 0;
    for (const char digit : key) id = id < 0 || digit < '0' || digit > '9' ? -1 : id * 10 + (digit - '0');
    require(id >= 0, "cloze.text.11", "{}: wanted an id, found \"{}\"", where, key);
    AddedToken token = read_added_token(json, static_cast<std::int32_t>(id), where);
    if (!known(token.content)) add_token(parts, std::move(token), where);
  }
  const std::string added_where = (folder / "added_tokens.json").string();
  for (const auto& [content, id] : json_members(added, added_where)) {
    AddedToken token{.content = content, .id = TokenId{json_get<std::int32_t>(added, content, added_where)}};
    if (!known(content)) add_token(parts, std::move(token), added_where);
  }
  parts.vocabulary.check(folder.string());
}

/// What follows from the rest: finders of added tokens, the tokens that decode may skip, the content hash.
inline void finish_parts(TokenizerParts& parts) {
  parts.added.prepare(parts.normalizer);
  parts.skipped.assign(parts.vocabulary.size(), 0);
  const auto skip = [&](TokenId id) { parts.skipped[static_cast<std::size_t>(value(id))] = 1; };
  PrefixHash hash;
  const auto add = [&](std::string_view text) {
    hash.add(text);
    hash.add('\0');
  };
  for (std::size_t id = 0; id < parts.vocabulary.size(); ++id)
    add(parts.vocabulary.has(id) ? parts.vocabulary.token(TokenId{static_cast<std::int32_t>(id)}) : "");
  add(parts.rules);
  add(parts.normalizer.describe());
  add(parts.pre_tokenizer.describe());
  add(parts.decoder.describe());
  for (const AddedToken& token : parts.added.tokens()) {
    if (token.special) {
      skip(token.id);
    } else {
      add(formatted("{} {} {} {} {}", value(token.id), token.single_word, token.lstrip, token.rstrip,
                    token.normalized));
    }
  }
  for (const TokenRole& role : token_roles) {
    const auto& id = parts.special.*role.member;
    if (id) skip(*id);
    add(formatted("{} {}", role.key, id ? value(*id) : -1));
  }
  parts.hash = hash.value();
  parts.rules = {};
}

/// A tokenizer.json alone. Errors: read_file's, read_tokenizer_json's, build_parts'.
inline TokenizerParts load_tokenizer_file(const std::filesystem::path& path) {
  SourceFile file{"tokenizer.json", read_file(path)};
  TokenizerParts parts = build_parts(read_tokenizer_json(file.bytes, path.string()), path.string());
  parts.special = default_special_tokens(parts);
  parts.files.push_back(std::move(file));
  finish_parts(parts);
  return parts;
}

/// Errors: [cloze.text.14] none of the files; [cloze.text.13] a special token that the vocabulary has not; those of
/// load_tokenizer_file.
inline TokenizerParts load_tokenizer_folder(const std::filesystem::path& folder) {
  std::vector<SourceFile> files;
  const auto read = [&](const char* name) -> std::optional<std::string> {
    std::error_code ignored;
    if (!std::filesystem::exists(folder / name, ignored)) return std::nullopt;
    files.push_back({name, read_file(folder / name)});
    return files.back().bytes;
  };
  const auto read_object = [&](const char* name) {
    const auto text = read(name);
    Json json = text ? parse_json(*text, (folder / name).string()) : json_object();
    require(json.is_object(), "cloze.json.2", "{}: wanted an object, found {}", (folder / name).string(),
            json.type_name());
    return json;
  };
  const Json config = read_object("tokenizer_config.json");
  const Json map = read_object("special_tokens_map.json");
  const std::string config_where = (folder / "tokenizer_config.json").string();
  Json added = json_object();
  const auto read_parts = [&] {
    if (const auto text = read("tokenizer.json")) {
      const std::string where = (folder / "tokenizer.json").string();
      return build_parts(read_tokenizer_json(*text, where), where);
    }
    if (const auto vocab_txt = read("vocab.txt")) {
      const std::string where = (folder / "vocab.txt").string();
      added = read_object("added_tokens.json");
      return build_parts(read_vocab_txt(*vocab_txt, config, where, config_where), where);
    }
    const auto vocab_json = read("vocab.json");
    require(vocab_json.has_value(), "cloze.text.14",
            "{}: wanted tokenizer.json, vocab.txt, or vocab.json with merges.txt, found none", folder.string());
    const auto merges = read("merges.txt");
    require(merges.has_value(), "cloze.text.14", "{}: vocab.json is there but merges.txt is not", folder.string());
    added = read_object("added_tokens.json");
    return build_parts(read_vocab_json(*vocab_json, *merges, config, folder), (folder / "vocab.json").string());
  };
  TokenizerParts parts = read_parts();
  read_more_added_tokens(parts, config, added, folder);
  parts.special = default_special_tokens(parts);
  apply_special_tokens(parts.special, map, parts, (folder / "special_tokens_map.json").string());
  apply_special_tokens(parts.special, config, parts, config_where);
  parts.files = std::move(files);
  finish_parts(parts);
  return parts;
}

/// What a folder without tokenizer_config.json needs for transformers (and this library) to read it alike.
inline std::string make_config(const TokenizerParts& parts) {
  Json config = json_object();
  const auto has = [&](std::string_view name) {
    for (const SourceFile& file : parts.files) {
      if (file.name == name) return true;
    }
    return false;
  };
  const std::string bpe = parts.vocabulary.find("<s>") ? "RobertaTokenizer" : "GPT2Tokenizer";
  config["tokenizer_class"] = has("tokenizer.json") ? "PreTrainedTokenizerFast"
                              : has("vocab.txt")    ? "BertTokenizer"
                                                    : bpe;
  for (const TokenRole& role : token_roles) {
    if (const auto& id = parts.special.*role.member) config[role.key] = std::string(parts.vocabulary.token(*id));
  }
  return config.dump(2) + "\n";
}

/// Writes the files that the tokenizer was read from, each atomically. Errors: [cloze.file.3].
inline void save_tokenizer(const TokenizerParts& parts, const std::filesystem::path& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  require(!code, "cloze.file.3", "{}: the folder cannot be made: {}", folder.string(), code.message());
  bool config = false;
  for (const SourceFile& file : parts.files) {
    write_file_atomically(folder / file.name, file.bytes);
    config = config || file.name == "tokenizer_config.json";
  }
  if (!config) write_file_atomically(folder / "tokenizer_config.json", make_config(parts));
}

}  // namespace cloze::detail::text
