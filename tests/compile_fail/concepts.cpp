// A user's own class satisfies a concept by having its members, no more; one that lacks a member is refused by name.
// expect 1: DemoSampler
// expect 1: constraint
// expect 2: Verbalizer
// expect 2: constraint
// expect 3: Optimizer
// expect 3: constraint
// expect 4: TokenizerLike
// expect 4: constraint
// expect 5: MaskedLM
// expect 5: constraint
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cloze/models/concepts.hpp>
#include <cloze/prompt/demos.hpp>
#include <cloze/prompt/verbalizer.hpp>
#include <cloze/text/tokenizer_like.hpp>
#include <cloze/train/optimizer.hpp>

#ifndef CLOZE_MUST_FAIL
#define CLOZE_MUST_FAIL 0
#endif

using cloze::Index;
using cloze::TokenId;
using Scores = cloze::Tensor<float>;

struct FirstDemo {
  const cloze::Example* shown = nullptr;
#if CLOZE_MUST_FAIL != 1
  std::vector<cloze::Demonstration> sample(const cloze::Example&, cloze::Rng&) const {
    return {{shown, cloze::LabelId{0}}};
  }
#endif
};

struct AsTheyAre {
  std::vector<TokenId> wanted;
  std::span<const TokenId> words() const { return wanted; }
#if CLOZE_MUST_FAIL == 2
  void operator()(const Scores&) const {}
#else
  Scores operator()(const Scores& scores) const { return scores; }
#endif
};

struct StandStill {
  void step() {}
  void zero_grad() {}
#if CLOZE_MUST_FAIL != 3
  void set_lr(double) {}
#endif
};

struct Letters {
  cloze::SpecialTokens specials;
  std::vector<TokenId> encode(std::string_view text) const {
    std::vector<TokenId> ids;
    for (const char letter : text) ids.push_back(TokenId{letter});
    return ids;
  }
  std::string decode(std::span<const TokenId> ids) const { return std::string(ids.size(), '?'); }
  Index vocab_size() const { return 128; }
  const cloze::SpecialTokens& special() const { return specials; }
  std::optional<TokenId> find(std::string_view) const { return std::nullopt; }
#if CLOZE_MUST_FAIL != 4
  std::string_view token(TokenId) const { return "?"; }
#endif
  std::string_view word_prefix() const { return ""; }
};

struct Indifferent {
  using value_type = float;
  using device = cloze::Cpu;
  Scores mask_scores(const cloze::PackedBatch& batch, std::span<const TokenId> words,
                     const cloze::ForwardContext&) const {
    return Scores::zeros({static_cast<Index>(batch.mask_rows.size()), static_cast<Index>(words.size())});
  }
#if CLOZE_MUST_FAIL != 5
  Scores mask_logits(const cloze::PackedBatch& batch, const cloze::ForwardContext&) const {
    return Scores::zeros({static_cast<Index>(batch.mask_rows.size()), 128});
  }
#endif
  cloze::ParameterList<float, cloze::Cpu> parameters() const { return {}; }
};

void take_demos(const cloze::DemoSampler auto&) {}
void take_verbalizer(const cloze::Verbalizer<> auto&) {}
void take_optimizer(const cloze::Optimizer auto&) {}
void take_tokenizer(const cloze::TokenizerLike auto&) {}
void take_model(const cloze::MaskedLM auto&) {}

void use() {
  take_demos(FirstDemo{});
  take_verbalizer(AsTheyAre{});
  take_optimizer(StandStill{});
  take_tokenizer(Letters{});
  take_model(Indifferent{});
}
