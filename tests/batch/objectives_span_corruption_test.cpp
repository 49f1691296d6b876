#include <cloze/batch/objectives/span_corruption.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <cloze/batch/objectives/causal_lm.hpp>
#include <cloze/batch/objectives/denoising.hpp>
#include <cloze/batch/objectives/prefix_lm.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

constexpr TokenId eos{1};
constexpr std::int32_t first_sentinel = 32099;

std::vector<TokenId> text(Index size) {
  std::vector<TokenId> ids;
  for (Index i = 0; i < size; ++i) ids.push_back(TokenId{static_cast<std::int32_t>(100 + i)});
  return ids;
}

SpanCorruption corruption(SpanNoise noise = {}) {
  return SpanCorruption({.first_sentinel = TokenId{first_sentinel}, .eos = eos, .noise = noise});
}

/// The lengths of the runs of `kind` in a mask.
std::vector<Index> runs(const std::vector<std::uint8_t>& mask, std::uint8_t kind) {
  std::vector<Index> lengths;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] != kind) continue;
    if (i == 0 || mask[i - 1] != kind) lengths.push_back(0);
    ++lengths.back();
  }
  return lengths;
}

struct Row {
  Index length, tokens, spans;
};

}  // namespace

TEST_CASE("noise tokens and spans are as many as T5's") {
  // From the formulas of T5's random_spans_noise_mask, evaluated with numpy.
  const std::map<std::pair<double, double>, std::vector<Row>> tables{
      {{0.15, 3.0},
       {{2, 1, 1},
        {3, 1, 1},
        {5, 1, 1},
        {10, 2, 1},
        {16, 2, 1},
        {17, 3, 1},
        {30, 4, 1},
        {70, 10, 3},
        {100, 15, 5},
        {127, 19, 6},
        {128, 19, 6},
        {511, 77, 26},
        {512, 77, 26},
        {568, 85, 28},
        {1000, 150, 50},
        {100000, 15000, 5000}}},
      {{0.5, 3.0},
       {{3, 2, 1}, {10, 5, 2}, {16, 8, 3}, {17, 8, 3}, {70, 35, 12}, {127, 64, 21}, {511, 256, 85}, {568, 284, 95}}},
      {{0.15, 10.0}, {{70, 10, 1}, {100, 15, 2}, {511, 77, 8}, {1000, 150, 15}}},
      {{0.3, 2.5}, {{5, 2, 1}, {30, 9, 4}, {128, 38, 15}, {512, 154, 62}, {1000, 300, 120}}}};
  Rng rng(3);
  for (const auto& [noise, rows] : tables) {
    for (const Row& row : rows) {
      const SpanNoise wanted{.density = noise.first, .mean_length = noise.second};
      INFO(row.length << " at " << noise.first << ", " << noise.second);
      CHECK(span_counts(row.length, wanted).noise_tokens == row.tokens);
      CHECK(span_counts(row.length, wanted).spans == row.spans);
      const auto mask = random_spans(row.length, rng, wanted);
      CHECK(static_cast<Index>(mask.size()) == row.length);
      const auto noise_runs = runs(mask, 1);
      CHECK(std::accumulate(noise_runs.begin(), noise_runs.end(), Index{0}) == row.tokens);
      CHECK(static_cast<Index>(noise_runs.size()) == row.spans);
      CHECK(static_cast<Index>(runs(mask, 0).size()) == row.spans);
      CHECK(mask.front() == 0);
      CHECK(mask.back() == 1);
    }
  }
  CHECK(random_spans(0, rng).empty());
  CHECK(random_spans(1, rng) == std::vector<std::uint8_t>{0});
  CHECK(random_spans(50, rng, {.density = 0}) == std::vector<std::uint8_t>(50));
  CHECK(runs(random_spans(100, rng, {.density = 0.95, .mean_length = 1}), 1).size() == 5);
}

TEST_CASE("a text of the planned length fills the encoder exactly") {
  // From T5's random_spans_helper, evaluated with Python.
  struct Plan {
    double density, mean;
    Index inputs, tokens, targets;
  };
  for (const Plan& plan : std::vector<Plan>{{0.15, 3, 16, 17, 5},
                                            {0.15, 3, 64, 70, 14},
                                            {0.15, 3, 128, 141, 29},
                                            {0.15, 3, 256, 284, 58},
                                            {0.15, 3, 511, 567, 114},
                                            {0.15, 3, 512, 568, 114},
                                            {0.15, 3, 513, 569, 114},
                                            {0.15, 3, 1024, 1137, 229},
                                            {0.5, 3, 16, 22, 16},
                                            {0.5, 3, 64, 94, 64},
                                            {0.5, 3, 511, 765, 510},
                                            {0.5, 3, 513, 768, 513},
                                            {0.15, 10, 512, 591, 99},
                                            {0.3, 2, 511, 600, 271},
                                            {0.3, 2, 1024, 1204, 542}}) {
    const SpanNoise noise{.density = plan.density, .mean_length = plan.mean};
    const SpanLengths found = span_lengths(plan.inputs, noise);
    INFO(plan.inputs << " at " << plan.density << ", " << plan.mean);
    CHECK(found.tokens == plan.tokens);
    CHECK(found.targets == plan.targets);
    Rng rng(1);
    SpanCorruption objective(
        {.first_sentinel = TokenId{first_sentinel}, .sentinels = 1000, .eos = eos, .noise = noise});
    const Seq2SeqExample example = objective(text(found.tokens), rng);
    CHECK(static_cast<Index>(example.inputs.size()) == plan.inputs);
    CHECK(static_cast<Index>(example.targets.size()) == plan.targets);
  }
}

TEST_CASE("every way to cut a text into spans is equally likely") {
  // 12 tokens, density 0.5, mean 3: 6 noise tokens in 2 spans: 5 ways to cut each side, so 25 masks.
  std::map<std::vector<std::uint8_t>, double> seen;
  Rng rng(11);
  const int times = 50000;
  for (int i = 0; i < times; ++i) ++seen[random_spans(12, rng, {.density = 0.5, .mean_length = 3})];
  CHECK(seen.size() == 25);
  for (const auto& [mask, count] : seen) CHECK(std::abs(count - times / 25.0) < 5 * std::sqrt(times / 25.0));
}

TEST_CASE("spans become descending sentinels, targets write them out, both end with eos") {
  const auto ids = text(8);
  const std::vector<std::uint8_t> noise{0, 1, 1, 0, 0, 1, 0, 1};
  const Seq2SeqExample example = corruption().at(ids, noise);
  const TokenId x{32099}, y{32098}, z{32097};
  CHECK(example.inputs == std::vector<TokenId>{ids[0], x, ids[3], ids[4], y, ids[6], z, eos});
  CHECK(example.targets == std::vector<TokenId>{x, ids[1], ids[2], y, ids[5], z, ids[7], eos});
  const Seq2SeqExample all = corruption().at(text(2), std::vector<std::uint8_t>{1, 1});
  CHECK(all.inputs == std::vector<TokenId>{x, eos});
}

TEST_CASE("a corrupted text and its targets give the text back") {
  Rng rng(21);
  for (const Index size : {1, 2, 3, 16, 127, 128, 129, 600}) {
    const auto ids = text(size);
    const Seq2SeqExample example = corruption()(ids, rng);
    std::vector<TokenId> back;
    for (const TokenId id : example.inputs) {
      if (id == eos) break;
      if (value(id) < first_sentinel - 99) {
        back.push_back(id);
        continue;
      }
      auto at = std::find(example.targets.begin(), example.targets.end(), id) + 1;
      for (; *at != eos && value(*at) < first_sentinel - 99; ++at) back.push_back(*at);
    }
    CHECK(back == ids);
  }
}

TEST_CASE("pairs are packed with the targets shifted right in the decoder") {
  const std::vector<Seq2SeqExample> pairs{{text(3), {TokenId{7}, TokenId{8}, eos}}, {text(1), {eos}}};
  const Seq2SeqBatch batch = pack(pairs, TokenId{0});
  CHECK(batch.encoder.cu_seqlens == std::vector<Index>{0, 3, 4});
  CHECK(batch.decoder.ids == std::vector<TokenId>{TokenId{0}, TokenId{7}, TokenId{8}, TokenId{0}});
  CHECK(batch.decoder.targets == std::vector<TokenId>{TokenId{7}, TokenId{8}, eos, eos});
  CHECK(batch.decoder.mask_rows == std::vector<Index>{0, 1, 2, 3});
  REQUIRE_ERROR(pack(std::vector<Seq2SeqExample>{{text(3), {}}}, TokenId{0}), "cloze.objective.2");
  REQUIRE_ERROR(pack(std::vector<Seq2SeqExample>{{{}, {eos}}}, TokenId{0}), "cloze.objective.2");
}

TEST_CASE("span corruption refuses what cannot be right") {
  Rng rng(1);
  REQUIRE_ERROR(corruption({.density = 1}), "cloze.span_corruption.1");
  REQUIRE_ERROR(corruption({.density = std::nan("")}), "cloze.span_corruption.1");
  REQUIRE_ERROR(corruption({.mean_length = 0.5}), "cloze.span_corruption.1");
  REQUIRE_ERROR(span_counts(-1), "cloze.span_corruption.1");
  REQUIRE_ERROR(span_lengths(2), "cloze.span_corruption.1");
  REQUIRE_ERROR(span_lengths(100, {.density = 0}), "cloze.span_corruption.1");
  REQUIRE_ERROR(SpanCorruption({.first_sentinel = TokenId{50}, .sentinels = 100}), "cloze.span_corruption.2");
  REQUIRE_ERROR(SpanCorruption({.first_sentinel = TokenId{50}, .sentinels = 0}), "cloze.span_corruption.2");
  REQUIRE_ERROR(corruption()(std::vector<TokenId>{}, rng), "cloze.span_corruption.3");
  REQUIRE_ERROR(corruption().at(text(3), std::vector<std::uint8_t>(2)), "cloze.span_corruption.3");
  REQUIRE_ERROR(corruption()(text(5000), rng), "cloze.span_corruption.4");
}

TEST_CASE("independent noise hits its share, and each treatment writes what it should") {
  Rng rng(4);
  const auto mask = independent_noise(100000, 0.15, rng);
  CHECK(std::abs(std::accumulate(mask.begin(), mask.end(), 0.0) - 15000) < 5 * std::sqrt(100000 * 0.15 * 0.85));
  const auto ids = text(4);
  const std::vector<std::uint8_t> noise{0, 1, 0, 1};
  const TokenId hidden{9};
  const Seq2SeqExample masked = denoise(ids, noise, {.mask = hidden, .eos = eos}, rng);
  CHECK(masked.inputs == std::vector<TokenId>{ids[0], hidden, ids[2], hidden, eos});
  CHECK(masked.targets == std::vector<TokenId>{ids[0], ids[1], ids[2], ids[3], eos});
  const Seq2SeqExample dropped = denoise(ids, noise, {.treatment = NoiseTreatment::drop, .eos = eos}, rng);
  CHECK(dropped.inputs == std::vector<TokenId>{ids[0], ids[2], eos});
  CHECK(dropped.targets == std::vector<TokenId>{ids[1], ids[3], eos});
  const Seq2SeqExample bert =
      denoise(text(40000), std::vector<std::uint8_t>(40000, 1),
              {.treatment = NoiseTreatment::mask_random, .mask = hidden, .eos = eos, .vocab_size = 50000}, rng);
  const auto shown = std::count(bert.inputs.begin(), bert.inputs.end(), hidden);
  CHECK(std::abs(static_cast<double>(shown) - 36000) < 5 * std::sqrt(40000 * 0.09));
  REQUIRE_ERROR(independent_noise(3, 1.5, rng), "cloze.denoising.1");
  REQUIRE_ERROR(independent_noise(-3, 0.5, rng), "cloze.denoising.1");
  REQUIRE_ERROR(denoise(ids, std::vector<std::uint8_t>(3), {}, rng), "cloze.denoising.2");
  REQUIRE_ERROR(denoise(ids, noise, {.treatment = NoiseTreatment::mask_random}, rng), "cloze.denoising.2");
  REQUIRE_ERROR(denoise(std::vector<TokenId>{}, std::vector<std::uint8_t>{}, {}, rng), "cloze.denoising.2");
}

TEST_CASE("deshuffling reads the same tokens in another order and writes the text") {
  Rng rng(6);
  const auto ids = text(30);
  Seq2SeqExample example = deshuffle(ids, eos, rng);
  CHECK(std::vector<TokenId>(example.targets.begin(), example.targets.end() - 1) == ids);
  CHECK(example.inputs.back() == eos);
  example.inputs.pop_back();
  CHECK(example.inputs != ids);
  std::sort(example.inputs.begin(), example.inputs.end());
  CHECK(example.inputs == ids);
  REQUIRE_ERROR(deshuffle(std::vector<TokenId>{}, eos, rng), "cloze.denoising.2");
}

TEST_CASE("causal LM predicts each token in the row before it") {
  const auto ids = text(4);
  const LmExample all = causal_lm(ids);
  CHECK(all.prompt.masks == std::vector<Index>{0, 1, 2});
  CHECK(all.targets == std::vector<TokenId>{ids[1], ids[2], ids[3]});
  const LmExample completion = causal_lm(ids, 3);
  CHECK(completion.prompt.masks == std::vector<Index>{2});
  CHECK(completion.targets == std::vector<TokenId>{ids[3]});
  CHECK(causal_lm(text(1)).targets.empty());
  CHECK(causal_lm(ids, 4).targets.empty());
  REQUIRE_ERROR(causal_lm(std::vector<TokenId>{}), "cloze.causal_lm.1");
  REQUIRE_ERROR(causal_lm(ids, 0), "cloze.causal_lm.1");
  REQUIRE_ERROR(causal_lm(ids, 5), "cloze.causal_lm.1");
}

TEST_CASE("prefix LM keeps its prefix and predicts the rest") {
  const auto ids = text(5);
  const LmExample one = prefix_lm(ids, 2);
  CHECK(one.prefix == 2);
  CHECK(one.prompt.masks == std::vector<Index>{1, 2, 3});
  CHECK(one.targets == std::vector<TokenId>{ids[2], ids[3], ids[4]});
  const Seq2SeqExample two = split_prefix(ids, 2, eos);
  CHECK(two.inputs == std::vector<TokenId>{ids[0], ids[1], eos});
  CHECK(two.targets == std::vector<TokenId>{ids[2], ids[3], ids[4], eos});
  Rng rng(2);
  std::map<Index, double> drawn;
  for (int i = 0; i < 10000; ++i) ++drawn[draw_prefix(5, rng)];
  CHECK(drawn.size() == 4);
  for (const auto& [prefix, count] : drawn) CHECK(std::abs(count - 2500) < 5 * std::sqrt(1875));
  CHECK((drawn.begin()->first == 1 && drawn.rbegin()->first == 4));
  REQUIRE_ERROR(draw_prefix(1, rng), "cloze.prefix_lm.1");
  REQUIRE_ERROR(prefix_lm(ids, 0), "cloze.prefix_lm.1");
  REQUIRE_ERROR(prefix_lm(ids, 5), "cloze.prefix_lm.1");
  REQUIRE_ERROR(split_prefix(ids, 9, eos), "cloze.prefix_lm.1");
}
