// From tokenizer.json to the parts of a tokenizer. What the library does not know is an error that names it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/json.hpp>
#include <cloze/text/bpe.hpp>
#include <cloze/text/tokenizer_json_reader.hpp>
#include <cloze/text/tokenizer_parts.hpp>
#include <cloze/text/unigram.hpp>
#include <cloze/text/wordpiece.hpp>

namespace cloze::detail::text {

using Json = nlohmann::json;

/// The value of `key`, null where it is absent.
inline const Json& member(const Json& object, std::string_view key) {
  static const Json absent;
  const Json* found = json_find(object, key);
  return found == nullptr ? absent : *found;
}

/// The only code point of a string. Errors: [cloze.text.11] none or several.
inline char32_t single_point(const Json& object, std::string_view key, std::string_view where) {
  const std::u32string points = to_points(json_get<std::string>(object, key, where));
  require(points.size() == 1, "cloze.text.11", "{}: \"{}\": wanted one code point, found {}", where, key,
          points.size());
  return points[0];
}

/// Calls add(component) for a component, or for each of a Sequence's, however deep; null has none.
template <class Add>
void each_component(const Json& component, std::string_view list, std::string_view where, Add&& add) {
  if (component.is_null()) return;
  if (json_get<std::string>(component, "type", where) != "Sequence") return add(component);
  const Json& steps = member(component, list);
  require(steps.is_array(), "cloze.json.2", "{}: a Sequence: \"{}\": wanted an array, found {}", where, list,
          steps.type_name());
  for (const Json& step : steps) each_component(step, list, where, add);
}

[[noreturn]] inline void unsupported(std::string_view where, std::string_view what, std::string_view found) {
  fail("cloze.text.10", "{}: {} \"{}\" is not supported", where, what, found);
}

/// `pattern` of Replace: a string, or the one expression that published files use.
inline Replace read_replace(const Json& json, std::string_view where) {
  const Json pattern = json_get<Json>(json, "pattern", where);
  Replace replace;
  replace.content = to_points(json_get<std::string>(json, "content", where));
  if (json_find(pattern, "Regex") != nullptr) {
    const auto regex = json_get<std::string>(pattern, "Regex", where);
    if (regex != " {2,}") unsupported(where, "the Replace expression", regex);
    replace.space_run = true;
  } else {
    replace.pattern = to_points(json_get<std::string>(pattern, "String", where));
    require(!replace.pattern.empty(), "cloze.text.11", "{}: Replace: an empty pattern", where);
  }
  return replace;
}

inline void add_normalizer_step(Normalizer& to, const Json& json, std::string_view where) {
  const auto type = json_get<std::string>(json, "type", where);
  if (type == "BertNormalizer") {
    BertNormalizer bert;
    bert.clean_text = json_get_or(json, "clean_text", true, where);
    bert.handle_chinese_chars = json_get_or(json, "handle_chinese_chars", true, where);
    bert.lowercase = json_get_or(json, "lowercase", true, where);
    bert.strip_accents = json_get_or(json, "strip_accents", bert.lowercase, where);
    return to.add(bert);
  }
  if (type == "NFC") return to.add(UnicodeForm({.compatibility = false, .composed = true}));
  if (type == "NFD") return to.add(UnicodeForm({.compatibility = false, .composed = false}));
  if (type == "NFKC") return to.add(UnicodeForm({.compatibility = true, .composed = true}));
  if (type == "NFKD") return to.add(UnicodeForm({.compatibility = true, .composed = false}));
  if (type == "Lowercase") return to.add(Lowercase());
  if (type == "StripAccents") return to.add(StripAccents());
  if (type == "Strip")
    return to.add(Strip(json_get_or(json, "strip_left", true, where), json_get_or(json, "strip_right", true, where)));
  if (type == "Prepend") return to.add(Prepend(to_points(json_get<std::string>(json, "prepend", where))));
  if (type == "Replace") return to.add(read_replace(json, where));
  if (type == "Precompiled") {
    const auto bytes = decode_base64(json_get<std::string>(json, "precompiled_charsmap", where), where);
    return to.add(Precompiled(Charsmap(bytes, where)));
  }
  unsupported(where, "the normalizer", type);
}

/// Old files have add_prefix_space where newer ones have prepend_scheme.
inline Metaspace::Prefix read_prefix_scheme(const Json& json, std::string_view where) {
  if (json_find(json, "prepend_scheme") == nullptr)
    return json_get_or(json, "add_prefix_space", true, where) ? Metaspace::Prefix::always : Metaspace::Prefix::never;
  const auto scheme = json_get<std::string>(json, "prepend_scheme", where);
  if (scheme == "always") return Metaspace::Prefix::always;
  if (scheme == "first") return Metaspace::Prefix::first;
  require(scheme == "never", "cloze.text.11", "{}: \"prepend_scheme\": wanted always, first or never, found \"{}\"",
          where, scheme);
  return Metaspace::Prefix::never;
}

inline CutBehavior read_behavior(const Json& json, std::string_view where) {
  const auto name = json_get_or<std::string>(json, "behavior", "Isolated", where);
  if (name == "Removed") return CutBehavior::removed;
  if (name == "Isolated") return CutBehavior::isolated;
  if (name == "MergedWithPrevious") return CutBehavior::merged_with_previous;
  if (name == "MergedWithNext") return CutBehavior::merged_with_next;
  if (name == "Contiguous") return CutBehavior::contiguous;
  unsupported(where, "the Punctuation behavior", name);
}

inline void add_pre_tokenizer_step(PreTokenizer& to, const Json& json, std::string_view where) {
  const auto type = json_get<std::string>(json, "type", where);
  if (type == "BertPreTokenizer") return to.add(BertPreTokenizer());
  if (type == "Whitespace") return to.add(WhitespacePreTokenizer());
  if (type == "WhitespaceSplit") return to.add(WhitespaceSplit());
  if (type == "Punctuation") return to.add(Punctuation(read_behavior(json, where)));
  if (type == "ByteLevel") {
    return to.add(
        ByteLevel(json_get_or(json, "add_prefix_space", true, where), json_get_or(json, "use_regex", true, where)));
  }
  if (type == "Metaspace") {
    Metaspace metaspace;
    metaspace.replacement = single_point(json, "replacement", where);
    metaspace.prefix = read_prefix_scheme(json, where);
    metaspace.split = json_get_or(json, "split", true, where);
    return to.add(metaspace);
  }
  unsupported(where, "the pre-tokenizer", type);
}

inline void add_decoder_step(Decoder& to, const Json& json, std::string_view where) {
  const auto type = json_get<std::string>(json, "type", where);
  if (type == "ByteLevel") return to.add(ByteLevelDecoder());
  if (type == "WordPiece") {
    return to.add(WordPieceDecoder(json_get_or<std::string>(json, "prefix", "##", where),
                                   json_get_or(json, "cleanup", true, where)));
  }
  if (type == "Metaspace") {
    return to.add(MetaspaceDecoder(single_point(json, "replacement", where),
                                   read_prefix_scheme(json, where) != Metaspace::Prefix::never));
  }
  unsupported(where, "the decoder", type);
}

/// Post-processors only put special tokens around a text or trim spans; templates place special tokens here, so they
/// are read for their names and not applied.
inline void check_post_processor(const Json& component, std::string_view where) {
  each_component(component, "processors", where, [&](const Json& json) {
    const auto type = json_get<std::string>(json, "type", where);
    const bool known =
        type == "TemplateProcessing" || type == "BertProcessing" || type == "RobertaProcessing" || type == "ByteLevel";
    if (!known) unsupported(where, "the post-processor", type);
  });
}

/// The model's type; files of the first years leave it out, and their fields tell.
inline std::string model_type(const Json& model, const RawTokenizer& raw, std::string_view where) {
  if (!member(model, "type").is_null()) return json_get<std::string>(model, "type", where);
  if (raw.has_merges) return "BPE";
  return raw.scores.empty() ? "WordPiece" : "Unigram";
}

inline const TokenModel* new_bpe(const Json& model, const RawTokenizer& raw, const PreTokenizer& pre_tokenizer,
                                 std::string_view where) {
  for (const char* option : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto text = json_get_or<std::string>(model, option, "", where);
    if (!text.empty()) unsupported(where, formatted("BPE with {}", option), text);
  }
  if (json_get_or(model, "byte_fallback", false, where)) unsupported(where, "the BPE option", "byte_fallback");
  const auto dropout = json_get_or(model, "dropout", 0.0, where);
  if (dropout != 0) unsupported(where, "BPE dropout", formatted("{}", dropout));
  if (!pre_tokenizer.has<ByteLevel>()) unsupported(where, "a BPE model without the pre-tokenizer", "ByteLevel");
  require(raw.has_merges, "cloze.json.2", "{}: no key \"model.merges\"", where);
  return new ByteLevelBpe(raw.vocabulary, raw.merges.pairs(), json_get_or(model, "ignore_merges", false, where), where);
}

inline void read_model(TokenizerParts& parts, RawTokenizer& raw, std::string_view file) {
  const std::string where = formatted("{}: model", file);
  const Json model = json_get<Json>(raw.rest, "model", file);
  require(model.is_object(), "cloze.json.2", "{}: wanted an object, found {}", where, model.type_name());
  require(raw.has_vocabulary, "cloze.json.2", "{}: no key \"vocab\", or it is neither an object nor an array", where);
  raw.vocabulary.check(where);
  const std::string type = model_type(model, raw, where);
  require((type == "Unigram") != raw.scores.empty(), "cloze.text.11", "{}: the vocabulary has not the shape of {}'s",
          where, type);
  if (type == "WordPiece") {
    WordPieceOptions options;
    options.unk_token = json_get_or(model, "unk_token", options.unk_token, where);
    options.continuing_subword_prefix =
        json_get_or(model, "continuing_subword_prefix", options.continuing_subword_prefix, where);
    options.max_input_chars_per_word =
        json_get_or(model, "max_input_chars_per_word", options.max_input_chars_per_word, where);
    parts.rules += formatted("wordpiece {} {} {};", options.unk_token, options.continuing_subword_prefix,
                             options.max_input_chars_per_word);
    parts.model.reset(new WordPiece(raw.vocabulary, std::move(options), where));
  } else if (type == "BPE") {
    parts.model.reset(new_bpe(model, raw, parts.pre_tokenizer, where));
    parts.rules += formatted("bpe {};", json_get_or(model, "ignore_merges", false, where));
    for (const auto& [first, second] : raw.merges.pairs()) parts.rules.append(first).append(" ").append(second) += '\n';
  } else if (type == "Unigram") {
    const bool fallback = json_get_or(model, "byte_fallback", false, where);
    parts.rules += formatted("unigram {};", fallback);
    for (const double score : raw.scores) parts.rules += formatted("{} ", score);
    const auto unk = json_get<std::int64_t>(model, "unk_id", where);
    parts.model.reset(new Unigram(raw.vocabulary, std::move(raw.scores), unk, fallback, where));
  } else {
    unsupported(file, "the model", type);
  }
}

/// Puts an added token into the vocabulary. Errors: [cloze.text.12] the vocabulary has it with another id.
inline void add_token(TokenizerParts& parts, AddedToken token, std::string_view where) {
  const auto found = parts.vocabulary.find(token.content);
  require(!found || *found == token.id, "cloze.text.12", "{}: added token \"{}\" has id {}, but the vocabulary's is {}",
          where, token.content, value(token.id), found ? value(*found) : 0);
  if (!found) parts.vocabulary.add(token.content, value(token.id), where);
  parts.added.add(std::move(token));
}

/// An entry of added_tokens (or, with its id as the key, of added_tokens_decoder).
inline AddedToken read_added_token(const Json& json, std::int32_t id, std::string_view where) {
  AddedToken token;
  token.content = json_get<std::string>(json, "content", where);
  token.id = TokenId{id};
  token.special = json_get_or(json, "special", false, where);
  token.single_word = json_get_or(json, "single_word", false, where);
  token.lstrip = json_get_or(json, "lstrip", false, where);
  token.rstrip = json_get_or(json, "rstrip", false, where);
  token.normalized = json_get_or(json, "normalized", !token.special, where);
  return token;
}

inline void read_added_tokens(TokenizerParts& parts, const Json& list, std::string_view where) {
  if (list.is_null()) return;
  require(list.is_array(), "cloze.json.2", "{}: wanted an array, found {}", where, list.type_name());
  for (const Json& json : list)
    add_token(parts, read_added_token(json, json_get<std::int32_t>(json, "id", where), where), where);
  parts.vocabulary.check(where);
}

/// All parts but the roles of special tokens, which the file does not tell.
/// Errors: [cloze.json.2] a missing key or a wrong type; [cloze.text.2] to [cloze.text.12].
inline TokenizerParts build_parts(RawTokenizer raw, std::string_view where) {
  require(raw.rest.is_object(), "cloze.json.2", "{}: wanted an object, found {}", where, raw.rest.type_name());
  const std::string normalizer = formatted("{}: normalizer", where);
  const std::string pre_tokenizer = formatted("{}: pre_tokenizer", where);
  const std::string decoder = formatted("{}: decoder", where);
  TokenizerParts parts;
  each_component(member(raw.rest, "normalizer"), "normalizers", normalizer,
                 [&](const Json& json) { add_normalizer_step(parts.normalizer, json, normalizer); });
  each_component(member(raw.rest, "pre_tokenizer"), "pretokenizers", pre_tokenizer,
                 [&](const Json& json) { add_pre_tokenizer_step(parts.pre_tokenizer, json, pre_tokenizer); });
  each_component(member(raw.rest, "decoder"), "decoders", decoder,
                 [&](const Json& json) { add_decoder_step(parts.decoder, json, decoder); });
  check_post_processor(member(raw.rest, "post_processor"), formatted("{}: post_processor", where));
  read_model(parts, raw, where);
  parts.vocabulary = std::move(raw.vocabulary);
  read_added_tokens(parts, member(raw.rest, "added_tokens"), formatted("{}: added_tokens", where));
  const bool bytes = parts.pre_tokenizer.has<ByteLevel>();
  if (bytes && dynamic_cast<const ByteLevelBpe*>(parts.model.get()) == nullptr)
    unsupported(where, "with a model other than BPE the pre-tokenizer", "ByteLevel");
  if (bytes || parts.pre_tokenizer.has<Metaspace>()) parts.word_prefix = " ";
  return parts;
}

}  // namespace cloze::detail::text
