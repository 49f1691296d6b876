#include <cloze/batch/packed_batch.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

PackedBatch three() {
  PackedBatch batch;
  batch.append({.ids = {TokenId{1}, TokenId{2}, TokenId{3}}, .segments = {0, 0, 1}, .masks = {0, 2}});
  batch.append({});
  batch.append({.ids = {TokenId{4}, TokenId{5}}, .masks = {1}});
  batch.targets = {TokenId{10}, TokenId{30}, TokenId{50}};
  batch.labels = {LabelId{0}, LabelId{1}, LabelId{2}};
  batch.positions[4] = 9;  // not what append would give
  return batch;
}

}  // namespace

TEST_CASE("picked sequences keep tokens, positions, masks, targets and labels, in the order asked for") {
  const auto picked = pick_sequences(three(), std::vector<Index>{2, 1, 0, 2});
  using Tokens = std::vector<TokenId>;
  const bool ids =
      picked.ids == Tokens{TokenId{4}, TokenId{5}, TokenId{1}, TokenId{2}, TokenId{3}, TokenId{4}, TokenId{5}};
  CHECK(ids);
  CHECK(picked.segments == std::vector<std::int32_t>{0, 0, 0, 0, 1, 0, 0});
  CHECK(picked.positions == std::vector<std::int32_t>{0, 9, 0, 1, 2, 0, 9});
  CHECK(picked.cu_seqlens == std::vector<Index>{0, 2, 2, 5, 7});
  CHECK(picked.mask_rows == std::vector<Index>{1, 2, 4, 6});
  const bool targets = picked.targets == Tokens{TokenId{50}, TokenId{10}, TokenId{30}, TokenId{50}};
  CHECK(targets);
  const bool labels = picked.labels == std::vector<LabelId>{LabelId{2}, LabelId{1}, LabelId{0}, LabelId{2}};
  CHECK(labels);
  CHECK(picked.scores.empty());
  CHECK(pick_sequences(three(), {}).sequences() == 0);
}

TEST_CASE("sequences and prompts that do not fit are refused") {
  REQUIRE_ERROR(pick_sequences(three(), std::vector<Index>{3}), "cloze.batch.2");
  REQUIRE_ERROR(pick_sequences(three(), std::vector<Index>{-1}), "cloze.batch.2");
  PackedBatch batch;
  REQUIRE_ERROR(batch.append({.ids = {TokenId{1}}, .segments = {0, 1}}), "cloze.batch.1");
  REQUIRE_ERROR(batch.append({.ids = {TokenId{1}}, .masks = {1}}), "cloze.batch.1");
  CHECK(batch.sequences() == 0);
}
