#include <cloze/batch/objectives/masked_lm.hpp>

#include <cmath>
#include <numeric>
#include <set>
#include <string>

#include "support/catch.hpp"

using namespace cloze;

namespace {

constexpr TokenId cls{1}, sep{2}, mask{3};

/// cls, `size` tokens from 10 on in a fixed uneven order, sep.
std::vector<TokenId> text(Index size, Index vocab_size = 1000) {
  std::vector<TokenId> ids{cls};
  for (Index i = 0; i < size; ++i) ids.push_back(TokenId{static_cast<std::int32_t>(10 + i * 37 % (vocab_size - 10))});
  ids.push_back(sep);
  return ids;
}

MaskedLmOptions options() { return {.mask = mask, .vocab_size = 1000, .special = {TokenId{0}, cls, sep}}; }

/// Whether `found` is within five standard errors of a share of `trials`.
bool near(double found, double share, double trials) {
  return std::abs(found - share * trials) <= 5 * std::sqrt(trials * share * (1 - share));
}

struct Counted {
  double tokens = 0, predicted = 0, hidden = 0, random = 0, kept = 0;
};

Counted count(const MaskedLm& objective, const std::vector<TokenId>& ids, int times, Rng rng) {
  Counted counted;
  for (int i = 0; i < times; ++i) {
    const LmExample example = objective(ids, rng);
    REQUIRE(example.targets.size() == example.prompt.masks.size());
    REQUIRE(example.prompt.ids.size() == ids.size());
    counted.tokens += static_cast<double>(ids.size()) - 2;
    std::size_t next = 0;
    for (std::size_t at = 0; at < ids.size(); ++at) {
      const bool predicted = next < example.targets.size() && example.prompt.masks[next] == static_cast<Index>(at);
      if (!predicted) {
        REQUIRE(example.prompt.ids[at] == ids[at]);
        continue;
      }
      REQUIRE(example.targets[next++] == ids[at]);
      REQUIRE((at > 0 && at + 1 < ids.size()));
      ++counted.predicted;
      if (example.prompt.ids[at] == mask) {
        ++counted.hidden;
      } else if (example.prompt.ids[at] == ids[at]) {
        ++counted.kept;
      } else {
        ++counted.random;
        REQUIRE((value(example.prompt.ids[at]) >= 4 || example.prompt.ids[at] == TokenId{3}));
      }
    }
  }
  return counted;
}

}  // namespace

TEST_CASE("masked LM predicts the share of tokens asked for, and replaces 80, 10 and 10 of a hundred") {
  for (const double rate : {0.15, 0.4}) {
    for (const MaskCount how : {MaskCount::bernoulli, MaskCount::exact}) {
      MaskedLmOptions wanted = options();
      wanted.rate = rate;
      wanted.count = how;
      const Counted counted = count(MaskedLm(wanted), text(120), 2000, Rng(5));
      if (how == MaskCount::exact) {
        CHECK(counted.predicted == 2000 * std::nearbyint(rate * 120));
      } else {
        CHECK(near(counted.predicted, rate, counted.tokens));
      }
      CHECK(near(counted.hidden, 0.8, counted.predicted));
      // A random token is the old one by chance once in 996 draws.
      CHECK(near(counted.random, 0.1 * 995 / 996, counted.predicted));
      CHECK(near(counted.kept, 0.1 + 0.1 / 996, counted.predicted));
    }
  }
}

TEST_CASE("masked LM takes any split of hidden, random and kept") {
  MaskedLmOptions wanted = options();
  wanted.rate = 1;
  wanted.mask_share = 1;
  wanted.random_share = 0;
  const Counted hidden = count(MaskedLm(wanted), text(50), 3, Rng(1));
  CHECK(hidden.hidden == 150);
  wanted.mask_share = 0;
  const Counted kept = count(MaskedLm(wanted), text(50), 3, Rng(1));
  CHECK(kept.kept == 150);
  wanted.random_share = 0.5;
  const Counted half = count(MaskedLm(wanted), text(50), 400, Rng(1));
  CHECK(half.hidden == 0);
  CHECK(near(half.random, 0.5 * 995 / 996, 20000));
  wanted.rate = 0;
  Rng rng(1);
  CHECK(MaskedLm(wanted)(text(50), rng).targets.empty());
}

TEST_CASE(
    "every token is chosen equally often, and random replacements reach the whole vocabulary but special tokens") {
  MaskedLmOptions wanted = options();
  wanted.vocab_size = 30;
  wanted.mask_share = 0;
  wanted.random_share = 1;
  wanted.count = MaskCount::exact;
  wanted.rate = 0.25;
  const MaskedLm objective(wanted);
  const auto ids = text(20, 30);
  std::vector<double> chosen(ids.size()), drawn(30);
  Rng rng(9);
  for (int i = 0; i < 20000; ++i) {
    const LmExample example = objective(ids, rng);
    for (const Index at : example.prompt.masks) {
      ++chosen[static_cast<std::size_t>(at)];
      ++drawn[static_cast<std::size_t>(value(example.prompt.ids[static_cast<std::size_t>(at)]))];
    }
  }
  for (std::size_t at = 1; at + 1 < ids.size(); ++at) CHECK(near(chosen[at], 0.25, 20000));
  for (std::size_t id = 0; id < 30; ++id) {
    if (id < 4) {
      CHECK(drawn[id] == 0);
    } else {
      CHECK(near(drawn[id], 1.0 / 26, 100000));
    }
  }
  wanted.draw_special = true;
  const MaskedLm with_special(wanted);
  Index special = 0;
  for (int i = 0; i < 20000; ++i) {
    const LmExample example = with_special(ids, rng);
    for (const Index at : example.prompt.masks) special += value(example.prompt.ids[static_cast<std::size_t>(at)]) < 4;
  }
  CHECK(near(static_cast<double>(special), 4.0 / 30, 100000));
}

TEST_CASE("whole-word masking takes all pieces of a word or none") {
  // Even ids begin a word, odd ones go on with it; special tokens end one.
  MaskedLmOptions wanted = options();
  wanted.starts_word.resize(1000);
  for (std::size_t id = 0; id < 1000; id += 2) wanted.starts_word[id] = 1;
  const std::vector<TokenId> ids{cls,         TokenId{10}, TokenId{11}, TokenId{13}, TokenId{20}, TokenId{30},
                                 TokenId{31}, sep,         TokenId{41}, TokenId{43}, TokenId{50}, sep};
  const std::vector<std::vector<Index>> words{{1, 2, 3}, {4}, {5, 6}, {8, 9}, {10}};
  for (const MaskCount how : {MaskCount::bernoulli, MaskCount::exact}) {
    wanted.count = how;
    wanted.rate = 0.4;
    const MaskedLm objective(wanted);
    Rng rng(3);
    double predicted = 0;
    std::vector<double> times(words.size());
    for (int i = 0; i < 20000; ++i) {
      const LmExample example = objective(ids, rng);
      const std::set<Index> found(example.prompt.masks.begin(), example.prompt.masks.end());
      predicted += static_cast<double>(found.size());
      std::size_t in_words = 0;
      for (std::size_t w = 0; w < words.size(); ++w) {
        std::size_t pieces = 0;
        for (const Index at : words[w]) pieces += found.count(at);
        REQUIRE((pieces == 0 || pieces == words[w].size()));
        times[w] += pieces > 0;
        in_words += pieces;
      }
      REQUIRE(in_words == found.size());
      if (how == MaskCount::exact) REQUIRE((found.size() >= 1 && found.size() <= 4));
    }
    if (how == MaskCount::bernoulli)
      for (const double time : times) CHECK(near(time, 0.4, 20000));
    CHECK(predicted > 3.2 * 20000);
  }
  // The same from a list for this text, which goes before the table.
  std::vector<std::uint8_t> starts(ids.size(), 1);
  starts[2] = 0;
  wanted.rate = 1;
  wanted.max_predictions = 2;
  const MaskedLm two(wanted);
  Rng rng(4);
  for (int i = 0; i < 200; ++i) {
    const LmExample example = two(ids, rng, starts);
    REQUIRE(example.targets.size() <= 2);
    const std::set<Index> found(example.prompt.masks.begin(), example.prompt.masks.end());
    REQUIRE(found.count(1) == found.count(2));
  }
}

TEST_CASE("a word longer than the number wanted is still predicted where nothing else can be") {
  MaskedLmOptions wanted = options();
  wanted.starts_word.assign(1000, 0);
  wanted.count = MaskCount::exact;
  Rng rng(1);
  CHECK(MaskedLm(wanted)(text(16), rng).targets.size() == 16);
}

TEST_CASE("the number of predictions can be limited, and a text of special tokens predicts nothing") {
  MaskedLmOptions wanted = options();
  wanted.max_predictions = 20;
  wanted.rate = 0.5;
  Rng rng(2);
  for (const MaskCount how : {MaskCount::bernoulli, MaskCount::exact}) {
    wanted.count = how;
    const MaskedLm objective(wanted);
    for (int i = 0; i < 50; ++i) CHECK(objective(text(128), rng).targets.size() == 20);
    CHECK(objective(std::vector<TokenId>{}, rng).targets.empty());
    CHECK(objective(std::vector<TokenId>{cls, sep}, rng).targets.empty());
  }
  CHECK(MaskedLm(wanted)(text(1), rng).targets.size() == 1);
}

TEST_CASE("the same stream gives the same masks, a stream that goes on gives new ones") {
  const MaskedLm objective(options());
  const auto ids = text(100);
  const Rng root(7, "masks");
  Rng first = root.stream("12"), again = root.stream("12"), other = root.stream("13");
  const LmExample example = objective(ids, first);
  CHECK(example.prompt.ids == objective(ids, again).prompt.ids);
  CHECK(example.prompt.ids != objective(ids, other).prompt.ids);
  CHECK(example.prompt.ids != objective(ids, first).prompt.ids);
}

TEST_CASE("given positions are hidden, or replaced by what is given") {
  const MaskedLm objective(options());
  const Prompt prompt{.ids = text(3), .segments = {0, 0, 1, 1, 1}};
  const std::vector<Index> positions{1, 3};
  const LmExample hidden = objective.at(prompt, positions);
  CHECK(hidden.prompt.ids == std::vector<TokenId>{cls, mask, prompt.ids[2], mask, sep});
  CHECK(hidden.prompt.segments == prompt.segments);
  CHECK(hidden.prompt.masks == positions);
  CHECK(hidden.targets == std::vector<TokenId>{prompt.ids[1], prompt.ids[3]});
  const std::vector<TokenId> replacements{TokenId{77}, prompt.ids[3]};
  CHECK(objective.at(prompt, positions, replacements).prompt.ids ==
        std::vector<TokenId>{cls, TokenId{77}, prompt.ids[2], prompt.ids[3], sep});
}

TEST_CASE("the label words of a filled template are always predicted and always hidden") {
  MaskedLmOptions wanted = options();
  const MaskedLm objective(wanted);
  Prompt prompt{.ids = text(40), .masks = {7, 30}};
  Rng rng(8);
  double others = 0;
  for (int i = 0; i < 4000; ++i) {
    const LmExample example = objective(prompt, rng);
    for (const Index at : prompt.masks) {
      const auto found = std::find(example.prompt.masks.begin(), example.prompt.masks.end(), at);
      REQUIRE(found != example.prompt.masks.end());
      REQUIRE(example.targets[static_cast<std::size_t>(found - example.prompt.masks.begin())] ==
              prompt.ids[static_cast<std::size_t>(at)]);
      REQUIRE(example.prompt.ids[static_cast<std::size_t>(at)] == mask);
    }
    REQUIRE(std::is_sorted(example.prompt.masks.begin(), example.prompt.masks.end()));
    others += static_cast<double>(example.targets.size()) - 2;
  }
  CHECK(near(others, 0.15, 38 * 4000));
}

TEST_CASE("examples are packed with their rows, targets and labels") {
  const MaskedLm objective(options());
  std::vector<LmExample> examples{objective.at({.ids = text(3)}, std::vector<Index>{1}),
                                  objective.at({.ids = text(1)}, std::vector<Index>{1})};
  const PackedBatch batch = pack(examples);
  CHECK(batch.mask_rows == std::vector<Index>{1, 6});
  CHECK(batch.targets == std::vector<TokenId>{TokenId{10}, TokenId{10}});
  CHECK(batch.labels.empty());
  examples[1].label = LabelId{1};
  REQUIRE_ERROR(pack(examples), "cloze.objective.1");
  examples[0].label = LabelId{0};
  CHECK(pack(examples).labels == std::vector<LabelId>{LabelId{0}, LabelId{1}});
  examples[1].targets.clear();
  REQUIRE_ERROR(pack(examples), "cloze.objective.1");
  examples[1] = examples[0];
  examples[1].prompt.masks = {99};
  REQUIRE_ERROR(pack(examples), "cloze.batch.1");
  CHECK(pack(std::span<const LmExample>{}).sequences() == 0);
}

TEST_CASE("masked LM refuses what cannot be right") {
  const auto with = [](auto change) {
    MaskedLmOptions wanted = options();
    change(wanted);
    return MaskedLm(wanted);
  };
  REQUIRE_ERROR(with([](auto& o) { o.rate = -0.1; }), "cloze.masked_lm.1");
  REQUIRE_ERROR(with([](auto& o) { o.rate = std::nan(""); }), "cloze.masked_lm.1");
  REQUIRE_ERROR(with([](auto& o) { o.mask_share = 1.1; }), "cloze.masked_lm.1");
  REQUIRE_ERROR(with([](auto& o) { o.random_share = 0.3; }), "cloze.masked_lm.1");
  REQUIRE_ERROR(with([](auto& o) { o.max_predictions = -1; }), "cloze.masked_lm.1");
  REQUIRE_ERROR(with([](auto& o) { o.vocab_size = 0; }), "cloze.masked_lm.1");
  REQUIRE_ERROR(with([](auto& o) { o.vocab_size = 3; }), "cloze.masked_lm.2");
  REQUIRE_ERROR(with([](auto& o) { o.vocab_size = 4; }), "cloze.masked_lm.2");
  REQUIRE_ERROR(with([](auto& o) { o.special.push_back(TokenId{-1}); }), "cloze.masked_lm.2");
  REQUIRE_ERROR(with([](auto& o) { o.starts_word.resize(999); }), "cloze.masked_lm.3");
  const MaskedLm objective(options());
  Rng rng(1);
  REQUIRE_ERROR(objective(std::vector<TokenId>{TokenId{1000}}, rng), "cloze.masked_lm.2");
  REQUIRE_ERROR(objective(std::vector<TokenId>{TokenId{-5}}, rng), "cloze.masked_lm.2");
  REQUIRE_ERROR(objective(text(3), rng, std::vector<std::uint8_t>(4)), "cloze.masked_lm.3");
  REQUIRE_ERROR(objective(Prompt{.ids = text(3), .masks = {5}}, rng), "cloze.masked_lm.4");
  REQUIRE_ERROR(objective(Prompt{.ids = text(3), .masks = {2, 2}}, rng), "cloze.masked_lm.4");
  REQUIRE_ERROR(objective(Prompt{.ids = {cls, mask, sep}, .masks = {1}}, rng), "cloze.masked_lm.4");
  const Prompt prompt{.ids = text(3)};
  REQUIRE_ERROR(objective.at(prompt, std::vector<Index>{-1}), "cloze.masked_lm.4");
  REQUIRE_ERROR(objective.at(prompt, std::vector<Index>{1}, std::vector<TokenId>{mask, mask}), "cloze.masked_lm.3");
  REQUIRE_ERROR(objective.at(prompt, std::vector<Index>{1}, std::vector<TokenId>{TokenId{2000}}), "cloze.masked_lm.2");
}
