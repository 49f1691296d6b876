#include <cloze/data/kshot_split.hpp>

#include <cloze/data/kshot.hpp>
#include <cloze/data/tasks.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

// numpy's own permutation(10), seed by seed (golden/numpy_random.json; the first is the widely known one).
const std::vector<Index> permutation_13{3, 5, 6, 1, 4, 7, 8, 9, 0, 2};
const std::vector<Index> permutation_100{7, 6, 1, 5, 4, 2, 0, 3, 9, 8};

std::string row(Index i) { return "row" + std::to_string(i) + "\t" + std::to_string(i % 2) + "\n"; }

std::string table(bool header, Index rows) {
  std::string text = header ? "sentence\tlabel\n" : "";
  for (Index i = 0; i < rows; ++i) text += row(i);
  return text;
}

// What the script does, said in another way: the j-th row of the label-th class to appear.
KShotSplit expected(const std::vector<Index>& order, std::size_t k) {
  KShotSplit split;
  for (const Index parity : {order[0] % 2, 1 - order[0] % 2}) {
    std::vector<Index> mine;
    for (const Index i : order)
      if (i % 2 == parity) mine.push_back(i);
    for (std::size_t j = 0; j < 2 * k; ++j) (j < k ? split.train : split.dev).push_back(row(mine[j]));
  }
  return split;
}

}  // namespace

TEST_CASE("a split takes the first k and the next k of each class in numpy's shuffled order") {
  test::TemporaryFolder folder;
  const Task task = tasks::sst2();
  const RawRows raw = read_raw_rows(folder.write("train.tsv", table(true, 10)), task);
  CHECK(raw.header == "sentence\tlabel\n");
  REQUIRE(raw.entries.size() == 10);
  for (const auto& [seed, order] : {std::pair{13u, permutation_13}, std::pair{100u, permutation_100}})
    for (const std::size_t k : {1, 2}) {
      const KShotSplit split = kshot_split(raw, task, seed, {.k = static_cast<Index>(k)});
      CHECK(split.train == expected(order, k).train);
      CHECK(split.dev == expected(order, k).dev);
    }
}

TEST_CASE("k-shot-10x takes ten times as many development rows") {
  test::TemporaryFolder folder;
  const Task task = tasks::sst2();
  const RawRows raw = read_raw_rows(folder.write("train.tsv", table(true, 22)), task);
  const KShotSplit split = kshot_split(raw, task, 13, {.k = 1, .dev_rate = 10});
  CHECK(split.train.size() == 2);
  CHECK(split.dev.size() == 20);
  REQUIRE_ERROR(kshot_split(raw, task, 13, {.k = 2, .dev_rate = 10}), "cloze.data.11");
}

TEST_CASE("every seed starts from the file's order, unless LM-BFF's cumulative shuffle is asked for") {
  test::TemporaryFolder folder;
  Task task = tasks::sst2();
  task.columns.header = false;
  const RawRows raw = read_raw_rows(folder.write("train.tsv", table(false, 10)), task);
  const std::vector<std::uint32_t> seeds{100, 13};
  const auto fresh = kshot_splits(raw, task, seeds, {.k = 2});
  CHECK(fresh[0].train == expected(permutation_100, 2).train);
  CHECK(fresh[1].train == expected(permutation_13, 2).train);
  const auto cumulative = kshot_splits(raw, task, seeds, {.k = 2}, {.cumulative_headerless_shuffle = true});
  CHECK(cumulative[0].train == fresh[0].train);
  std::vector<Index> twice;
  for (const Index i : permutation_13) twice.push_back(permutation_100[static_cast<std::size_t>(i)]);
  CHECK(cumulative[1].train == expected(twice, 2).train);
  CHECK(cumulative[1].dev == expected(twice, 2).dev);
  // A header protects the list from the quirk, as in the script.
  const Task headed = tasks::sst2();
  const RawRows with_header = read_raw_rows(folder.write("headed.tsv", table(true, 10)), headed);
  CHECK(kshot_splits(with_header, headed, seeds, {.k = 2}, {.cumulative_headerless_shuffle = true})[1].train ==
        fresh[1].train);
}

TEST_CASE("scores are split at the middle of their bounds") {
  test::TemporaryFolder folder;
  const Task task = tasks::stsb();
  std::string text = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n";
  for (const char* score : {"0", "2.49", "2.5", "5"}) text += std::string("0\t1\t2\t3\t4\t5\t6\ta\tb\t") + score + "\n";
  const RawRows raw = read_raw_rows(folder.write("train.tsv", text), task);
  REQUIRE(raw.entries.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(raw.entries[i].group == i / 2);
}

TEST_CASE("a split that is written is read back by read_kshot") {
  test::TemporaryFolder folder;
  const Task task = tasks::mr();
  std::string text;
  for (int i = 0; i < 8; ++i)
    text += std::to_string(i % 2) + ",\"row \"\"" + std::to_string(i) + "\"\", with comma\"\r\n";
  const RawRows raw = read_raw_rows(folder.write("train.csv", text), task);
  const KShotSplit split = kshot_split(raw, task, 13, {.k = 2});
  write_kshot(folder.path() / "mr/2-13", split, raw, task);
  const KShot back = read_kshot(folder.path() / "mr/2-13", task, {.need_test = false});
  REQUIRE(back.train.size() == 4);
  CHECK(back.dev.size() == 4);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(split.train[i] == std::to_string(value(*back.train[i].label)) + "," + csv_field(back.train[i].text_a) + "\n");
  folder.write("blocked", "a file");
  REQUIRE_ERROR(write_kshot(folder.path() / "blocked", split, raw, task), "cloze.file.3");
}

TEST_CASE("a split that cannot be drawn is an error") {
  test::TemporaryFolder folder;
  const Task task = tasks::sst2();
  const RawRows raw = read_raw_rows(folder.write("train.tsv", table(true, 10)), task);
  REQUIRE_ERROR(kshot_split(raw, task, 1, {.k = 3}), "cloze.data.11");
  REQUIRE_ERROR(kshot_split(raw, task, 1, {.k = 0}), "cloze.data.11");
  REQUIRE_ERROR(kshot_split(raw, task, 1, {.k = 1, .dev_rate = 0}), "cloze.data.11");
  REQUIRE_ERROR(kshot_split(RawRows{}, task, 1, {.k = 1}), "cloze.data.11");
  Task jsonl = task;
  jsonl.kind = FileKind::jsonl;
  REQUIRE_ERROR(read_raw_rows(folder.path() / "train.tsv", jsonl), "cloze.data.10");
}
