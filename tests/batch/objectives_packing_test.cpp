#include <cloze/batch/objectives/packing.hpp>

#include <algorithm>
#include <numeric>

#include <cloze/core/rng.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

constexpr TokenId cls{1}, sep{2};

std::vector<TokenId> tokens(std::initializer_list<int> ids) {
  std::vector<TokenId> made;
  for (const int id : ids) made.push_back(TokenId{id});
  return made;
}

void append(std::vector<Prompt>& to, const std::vector<Prompt>& more) { to.insert(to.end(), more.begin(), more.end()); }

}  // namespace

TEST_CASE("full sentences fill blocks, with a separator between documents") {
  FullSentences packer({.max_length = 8, .cls = cls, .sep = sep});
  std::vector<Prompt> blocks;
  append(blocks, packer.add(tokens({10, 11})));
  append(blocks, packer.end_document());
  append(blocks, packer.add(tokens({20, 21, 22})));  // 2 + sep + 3 fill the room of 6
  append(blocks, packer.add(tokens({23})));
  append(blocks, packer.end_document());
  append(blocks, packer.add(tokens({30, 31, 32, 33, 34})));  // sep and 5 do not fit behind 23
  append(blocks, packer.finish());
  REQUIRE(blocks.size() == 3);
  CHECK(blocks[0].ids == tokens({1, 10, 11, 2, 20, 21, 22, 2}));
  CHECK(blocks[1].ids == tokens({1, 23, 2}));
  CHECK(blocks[2].ids == tokens({1, 30, 31, 32, 33, 34, 2}));
  CHECK(packer.finish().empty());
}

TEST_CASE("blocks can end with their document, and long sentences are cut without loss") {
  FullSentences packer({.max_length = 5, .cls = cls, .sep = sep, .cross_documents = false});
  std::vector<Prompt> blocks;
  append(blocks, packer.add(tokens({10})));
  append(blocks, packer.end_document());
  append(blocks, packer.add(tokens({20, 21, 22, 23, 24, 25, 26})));
  append(blocks, packer.end_document());
  REQUIRE(blocks.size() == 4);
  CHECK(blocks[0].ids == tokens({1, 10, 2}));
  CHECK(blocks[1].ids == tokens({1, 20, 21, 22, 2}));
  CHECK(blocks[2].ids == tokens({1, 23, 24, 25, 2}));
  CHECK(blocks[3].ids == tokens({1, 26, 2}));
}

TEST_CASE("packing loses no token, keeps the order, exceeds no limit, and goes on from its state") {
  Rng rng(1);
  std::vector<std::vector<TokenId>> sentences;
  std::vector<bool> ends;
  std::vector<TokenId> all;
  for (int i = 0; i < 3000; ++i) {
    std::vector<TokenId> sentence(rng.below(40));
    for (TokenId& id : sentence) id = TokenId{static_cast<std::int32_t>(100 + rng.below(900))};
    all.insert(all.end(), sentence.begin(), sentence.end());
    sentences.push_back(std::move(sentence));
    ends.push_back(rng.below(7) == 0);
  }
  for (const Index length : {3, 4, 16, 31, 128}) {
    const FullSentencesOptions options{.max_length = length, .cls = cls, .sep = sep};
    const FixedBlocksOptions fixed_options{.length = length, .first = cls, .last = sep, .document_end = TokenId{3}};
    FullSentences packer(options);
    FixedBlocks fixed(fixed_options);
    std::vector<Prompt> blocks, cut;
    for (std::size_t i = 0; i < sentences.size(); ++i) {
      append(blocks, packer.add(sentences[i]));
      append(cut, fixed.add(sentences[i]));
      if (ends[i]) {
        append(blocks, packer.end_document());
        append(cut, fixed.end_document());
      }
      packer = FullSentences(options, packer.pending());
      fixed = FixedBlocks(fixed_options, fixed.pending());
    }
    for (std::size_t i = 0; i < cut.size(); ++i) CHECK(static_cast<Index>(cut[i].ids.size()) == length);
    append(blocks, packer.finish());
    append(cut, fixed.finish());
    for (const auto* made : {&blocks, &cut}) {
      std::vector<TokenId> seen;
      for (const Prompt& block : *made) {
        REQUIRE(static_cast<Index>(block.ids.size()) <= length);
        REQUIRE((block.ids.front() == cls && block.ids.back() == sep));
        for (const TokenId id : block.ids)
          if (value(id) >= 100) seen.push_back(id);
      }
      CHECK(seen == all);
    }
    const auto ended = std::count(ends.begin(), ends.end(), true);
    Index markers = 0;
    for (const Prompt& block : cut) markers += std::count(block.ids.begin(), block.ids.end(), TokenId{3});
    CHECK(markers == ended);
  }
}

TEST_CASE("fixed blocks are one ribbon cut anywhere") {
  FixedBlocks packer({.length = 3, .document_end = TokenId{9}});
  std::vector<Prompt> blocks = packer.add(tokens({10, 11, 12, 13}));
  append(blocks, packer.end_document());
  append(blocks, packer.add(tokens({20, 21})));
  append(blocks, packer.finish());
  REQUIRE(blocks.size() == 3);
  CHECK(blocks[0].ids == tokens({10, 11, 12}));
  CHECK(blocks[1].ids == tokens({13, 9, 20}));
  CHECK(blocks[2].ids == tokens({21}));
}

TEST_CASE("sequences are dealt into batches within the budget, each once") {
  Rng rng(2);
  std::vector<Index> lengths;
  for (int i = 0; i < 5000; ++i) lengths.push_back(static_cast<Index>(1 + rng.below(200)));
  const auto total = std::accumulate(lengths.begin(), lengths.end(), Index{0});
  for (const TokenBudget& budget : {TokenBudget{.tokens = 1024}, TokenBudget{.tokens = 200, .open = 1},
                                    TokenBudget{.tokens = 4096, .sequences = 16, .open = 4}}) {
    const auto batches = budget_batches(lengths, budget);
    std::vector<int> seen(lengths.size());
    for (const auto& batch : batches) {
      Index used = 0;
      REQUIRE(!batch.empty());
      REQUIRE(std::is_sorted(batch.begin(), batch.end()));
      for (const Index i : batch) {
        ++seen[static_cast<std::size_t>(i)];
        used += lengths[static_cast<std::size_t>(i)];
      }
      REQUIRE(used <= budget.tokens);
      REQUIRE((budget.sequences == 0 || static_cast<Index>(batch.size()) <= budget.sequences));
    }
    CHECK(std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; }));
    if (budget.sequences == 0 && budget.open == 16)
      CHECK(static_cast<double>(batches.size()) < 1.02 * static_cast<double>(total) / 1024 + 17);
  }
  CHECK(budget_batches({}).empty());
  CHECK(budget_batches(std::vector<Index>{4096}).size() == 1);
}

TEST_CASE("packing refuses what cannot be right") {
  REQUIRE_ERROR(FullSentences({.max_length = 2}), "cloze.packing.1");
  REQUIRE_ERROR(FullSentences({.max_length = 4}, {.tokens = tokens({1, 2, 3})}), "cloze.packing.1");
  REQUIRE_ERROR(FixedBlocks({.length = 0}), "cloze.packing.1");
  REQUIRE_ERROR(FixedBlocks({.length = 2, .first = cls, .last = sep}), "cloze.packing.1");
  REQUIRE_ERROR(FixedBlocks({.length = 2}, tokens({1, 2})), "cloze.packing.1");
  REQUIRE_ERROR(budget_batches(std::vector<Index>{4097}), "cloze.packing.2");
  REQUIRE_ERROR(budget_batches(std::vector<Index>{-1}), "cloze.packing.2");
  REQUIRE_ERROR(budget_batches(std::vector<Index>{1}, {.tokens = 0}), "cloze.packing.2");
  REQUIRE_ERROR(budget_batches(std::vector<Index>{1}, {.open = 0}), "cloze.packing.2");
}
