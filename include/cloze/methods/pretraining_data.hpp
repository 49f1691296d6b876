// From text files to unmasked pretraining examples: tokenised ahead, packed without padding, mixed by weight, shuffled.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cloze/batch/objectives/masked_lm.hpp>
#include <cloze/batch/objectives/packing.hpp>
#include <cloze/core/content_hash.hpp>
#include <cloze/data/any_stream.hpp>
#include <cloze/data/held_out.hpp>
#include <cloze/data/line_stream.hpp>
#include <cloze/data/prefetched_stream.hpp>
#include <cloze/text/tokenizer_like.hpp>

namespace cloze {

/// Text files that are trained on, and scored, as one.
struct Corpus {
  std::string name = {};
  std::vector<std::filesystem::path> files = {};
  double weight = 1;                                       // share of the training sequences, relative to the others
  HeldOutRule held_out = {};                               // which lines are never trained on …
  std::vector<std::filesystem::path> held_out_files = {};  // … unless these files are what is held out
};

/// Examples before they are masked: `prompt.ids` are the text, `prompt.masks` what an objective always predicts.
using ExampleStream = AnyStream<LmExample>;

struct PretrainingDataOptions {
  Index sequence = 128;           // tokens of a sequence, at most, with its special tokens
  double single_lines = 0;        // share of the lines that are sequences of their own rather than packed
  Index shuffle = 4096;           // sequences that are shuffled together
  LineStreamOptions lines = {};   // how files are opened, what is done with damaged lines
  PrefetchOptions prefetch = {};  // tokenisation ahead of the step, for each corpus
};

/// The ids that an encoder's pretraining cannot do without.
struct PretrainingTokens {
  TokenId cls{}, sep{}, mask{};
  std::vector<TokenId> special = {};  // all that have a role: never predicted

  /// Errors: [cloze.pretraining.1] a vocabulary without one of the three; [cloze.pretraining.2] ids beyond the model's.
  template <TokenizerLike K>
  static PretrainingTokens of(const K& tokenizer, Index model_vocab) {
    const SpecialTokens& roles = tokenizer.special();
    const auto need = [](const std::optional<TokenId>& id, const char* role) {
      require(id.has_value(), "cloze.pretraining.1",
              "the tokenizer has no {} token: pretraining an encoder needs cls, sep and mask tokens", role);
      return *id;
    };
    require(static_cast<Index>(tokenizer.vocab_size()) <= model_vocab, "cloze.pretraining.2",
            "the tokenizer has {} tokens, the model only {}: another model's tokenizer?", tokenizer.vocab_size(),
            model_vocab);
    PretrainingTokens tokens{need(roles.cls, "cls"), need(roles.sep, "sep"), need(roles.mask, "mask")};
    for (const auto& id : {roles.cls, roles.sep, roles.mask, roles.pad, roles.unk, roles.bos, roles.eos})
      if (id) tokens.special.push_back(*id);
    return tokens;
  }
};

/// The work of a PrefetchedStream: a line's ids; none for a blank line, which ends a document.
template <TokenizerLike K>
struct EncodeLine {
  K tokenizer;
  std::vector<TokenId> operator()(Line line) const {
    if (detail::is_blank(line.text)) return {};
    return tokenizer.encode(line.text);
  }
};

/// Packs lines of ids (none: a document's end) into sequences as FullSentences does. A share of the lines, chosen by
/// their content, become sequences of their own: prompts are such short ones. The state holds the tokens of the
/// sequence that is being filled.
template <ItemStream S>
class PackedStream {
 public:
  using Item = LmExample;

  /// Errors: [cloze.packing.1] as FullSentences; [cloze.pretraining.5] a share that is not within 0 and 1.
  PackedStream(S source, FullSentencesOptions options, double single_lines = 0)
      : source_(std::move(source)), options_(options), single_lines_(single_lines), packer_(options) {
    require(single_lines >= 0 && single_lines <= 1, "cloze.pretraining.5",
            "the share of single lines is {}: wanted 0 to 1", single_lines);
  }

  std::optional<LmExample> next() {
    while (ready_.empty() && !ended_) {
      const auto ids = source_.next();
      ended_ = !ids;
      ready_ = ended_ ? packer_.finish() : ids->empty() ? packer_.end_document() : add(*ids);
      std::reverse(ready_.begin(), ready_.end());
    }
    if (ready_.empty()) return std::nullopt;
    LmExample example{.prompt = std::move(ready_.back())};
    ready_.pop_back();
    return example;
  }

  nlohmann::json state() const {
    nlohmann::json ready = nlohmann::json::array();
    for (const Prompt& block : ready_) ready.push_back(numbers(block.ids));
    nlohmann::json state;
    state["source"] = source_.state();
    state["pending"] = numbers(packer_.pending().tokens);
    state["document_ended"] = packer_.pending().document_ended;
    state["ready"] = std::move(ready);
    state["ended"] = ended_;
    return state;
  }

  /// Errors: [cloze.json.2] not such a state; [cloze.packing.1] a state of another packing; what the source throws.
  void restore(const nlohmann::json& state) {
    constexpr const char* where = "stream state";
    FullSentencesPending pending{tokens(json_get<std::vector<std::int32_t>>(state, "pending", where)),
                                 json_get<bool>(state, "document_ended", where)};
    std::vector<Prompt> ready;
    for (const auto& ids : json_get<std::vector<std::vector<std::int32_t>>>(state, "ready", where))
      ready.push_back({.ids = tokens(ids)});
    const bool ended = json_get<bool>(state, "ended", where);
    source_.restore(json_get<nlohmann::json>(state, "source", where));
    packer_ = FullSentences(options_, std::move(pending));
    ready_ = std::move(ready);
    ended_ = ended;
  }

 private:
  std::vector<Prompt> add(const std::vector<TokenId>& line) {
    if (!stands_alone(line)) return packer_.add(line);
    FullSentences apart(options_);
    auto blocks = apart.add(line);
    for (Prompt& last : apart.finish()) blocks.push_back(std::move(last));
    return blocks;
  }

  bool stands_alone(const std::vector<TokenId>& line) const {
    if (single_lines_ == 0) return false;
    ContentHash hash;
    for (const TokenId id : line) hash.add_number(static_cast<std::uint64_t>(value(id)));
    return static_cast<double>(hash.value()[0] >> 11) * 0x1p-53 < single_lines_;
  }

  static std::vector<std::int32_t> numbers(const std::vector<TokenId>& ids) {
    std::vector<std::int32_t> plain;
    for (const TokenId id : ids) plain.push_back(value(id));
    return plain;
  }
  static std::vector<TokenId> tokens(const std::vector<std::int32_t>& plain) {
    std::vector<TokenId> ids;
    for (const std::int32_t id : plain) ids.push_back(TokenId{id});
    return ids;
  }

  S source_;
  FullSentencesOptions options_;
  double single_lines_;
  FullSentences packer_;
  std::vector<Prompt> ready_;  // completed, last one first
  bool ended_ = false;
};

/// The sequences of one corpus for ever, in its order. Errors: LineStream's and FullSentences'.
template <TokenizerLike K>
ExampleStream packed_examples(const Corpus& corpus, const K& tokenizer, const PretrainingTokens& tokens,
                              const PretrainingDataOptions& options) {
  LineStreamOptions lines = options.lines;
  lines.passes = 0;
  lines.keep_blank = lines.mark_file_ends = true;
  if (corpus.held_out_files.empty()) lines.wanted = [rule = corpus.held_out](const Line& line) { return !rule(line); };
  return ExampleStream(
      PackedStream(PrefetchedStream(LineStream(corpus.files, lines), options.prefetch, EncodeLine<K>{tokenizer}),
                   {.max_length = options.sequence, .cls = tokens.cls, .sep = tokens.sep}, options.single_lines));
}

/// Several streams as one, by weight, shuffled `window` examples at a time. Errors: MixedStream's and ShuffledStream's.
inline ExampleStream mixed_examples(std::vector<ExampleStream> streams, std::vector<double> weights, Index window,
                                    const Rng& rng) {
  return ExampleStream(
      ShuffledStream(MixedStream<ExampleStream>(std::move(streams), std::move(weights), rng.stream("mixture")), window,
                     rng.stream("shuffle")));
}

/// What a corpus is scored on: the same sequences with the same masks every time.
struct HeldOut {
  std::string name = {};
  std::vector<PackedBatch> batches = {};
  Index tokens = 0;
};

/// The first sequences, about `most` tokens of them, of the held-out part of a corpus; none where it is too small to
/// have one. Errors: LineStream's, MaskedLm's.
template <TokenizerLike K>
HeldOut read_held_out(const Corpus& corpus, const K& tokenizer, const PretrainingTokens& tokens,
                      const MaskedLm& masking, Index most, const PretrainingDataOptions& options, const Rng& rng,
                      Index batch_tokens = 4096) {
  HeldOut held{.name = corpus.name};
  const bool by_rule = corpus.held_out_files.empty();
  LineStreamOptions lines = options.lines;
  lines.passes = 1;
  LineStream stream(by_rule ? corpus.files : corpus.held_out_files, lines);
  FullSentences packer({.max_length = options.sequence, .cls = tokens.cls, .sep = tokens.sep});
  Rng mask_rng = rng.stream("held out " + corpus.name);
  std::vector<LmExample> open;
  Index open_tokens = 0;
  const auto close = [&] {
    if (!open.empty()) held.batches.push_back(pack(open));
    open.clear();
    open_tokens = 0;
  };
  const auto take = [&](const std::vector<Prompt>& blocks) {
    for (const Prompt& block : blocks) {
      LmExample example = masking(block, mask_rng);
      if (example.targets.empty() || held.tokens >= most) continue;
      const Index size = static_cast<Index>(block.ids.size());
      if (open_tokens + size > batch_tokens) close();
      open.push_back(std::move(example));
      open_tokens += size;
      held.tokens += size;
    }
  };
  while (held.tokens < most) {
    const auto line = stream.next();
    if (!line) break;
    if (!by_rule || corpus.held_out(*line)) take(packer.add(tokenizer.encode(line->text)));
  }
  take(packer.finish());
  close();
  return held;
}

}  // namespace cloze
