#include <cloze/methods/embedding_cache.hpp>

#include <fstream>
#include <map>
#include <thread>

#include <cloze/prompt/similar_demos.hpp>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

// Width 3, from the text's bytes. Fails after `limit` texts, like a process that is killed.
struct CountingEncoder {
  std::string name = "counting-1";
  std::shared_ptr<Index> asked = std::make_shared<Index>(0);
  Index limit = 1 << 30;

  std::string identity() const { return name; }
  Tensor<float> embed(std::span<const std::string> texts) const {
    std::vector<float> values;
    for (const std::string& text : texts) {
      require(++*asked <= limit, "test.killed", "enough");
      values.push_back(static_cast<float>(text.size()));
      values.push_back(static_cast<float>(ContentHash{}.value()[0] % 7) +
                       static_cast<float>(text.empty() ? 0 : text[0]));
      values.push_back(static_cast<float>(text.empty() ? 0 : text.back()) / 3);
    }
    return Tensor<float>::from(values, {static_cast<Index>(texts.size()), 3});
  }
};
static_assert(IdentifiedEmbedder<CountingEncoder>);
static_assert(EmbedsTexts<CachedEmbedder<CountingEncoder>> && IdentifiedEmbedder<CachedEmbedder<CountingEncoder>>);

std::vector<std::string> texts_of(int count, int first = 0) {
  std::vector<std::string> texts;
  for (int i = first; i < first + count; ++i)
    texts.push_back(std::string(static_cast<std::size_t>(i % 9), 'x') + std::to_string(i));
  return texts;
}

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TEST_CASE("a text is embedded once, in this run and in the next, wherever it stands") {
  const test::TemporaryFolder folder;
  const CountingEncoder encoder;
  auto texts = texts_of(100);
  texts.push_back(texts[3]);
  texts.push_back("");
  const auto wanted = encoder.embed(texts).to_vector();
  *encoder.asked = 0;
  {
    const CachedEmbedder cache(encoder, folder.path(), {.chunk = 30});
    CHECK(cache.embed(texts).to_vector() == wanted);
    CHECK(*encoder.asked == 101);
    CHECK(cache.embed(texts).to_vector() == wanted);
    CHECK(cache.size() == 101);
    CHECK(cache.embed(std::span<const std::string>()).rows() == 0);
  }
  CHECK(files_in(folder.path()).size() == 4);
  const CachedEmbedder again(encoder, folder.path());
  CHECK(again.size() == 101);
  CHECK(again.embed(texts).to_vector() == wanted);
  CHECK(*encoder.asked == 101);
  const CachedEmbedder other(CountingEncoder{.name = "counting-2", .asked = encoder.asked}, folder.path());
  CHECK(other.size() == 0);  // another encoder shares nothing
}

TEST_CASE("an interrupted run keeps every finished chunk, and the next goes on from there") {
  const test::TemporaryFolder folder;
  const auto texts = texts_of(100);
  CountingEncoder killed;
  killed.limit = 70;
  REQUIRE_ERROR(CachedEmbedder(killed, folder.path(), {.chunk = 20}).embed(texts), "test.killed");
  folder.write("counting-1/left-by-a-killed-process.safetensors.77-1.partial", "half");
  const CountingEncoder next;
  const CachedEmbedder cache(next, folder.path(), {.chunk = 20});
  CHECK(cache.size() == 60);
  CHECK(cache.embed(texts).to_vector() == CountingEncoder{}.embed(texts).to_vector());
  CHECK(*next.asked == 40);
}

TEST_CASE("a few new texts stay in memory, so that single queries do not fill the folder") {
  const test::TemporaryFolder folder;
  const CountingEncoder encoder;
  const CachedEmbedder cache(encoder, folder.path(), {.save_from = 5});
  const auto four = texts_of(4), five = texts_of(9);
  cache.embed(four);
  cache.embed(four);
  CHECK(*encoder.asked == 4);
  CHECK(files_in(folder.path()).empty());
  cache.embed(five);  // five new ones
  CHECK(*encoder.asked == 9);
  CHECK(files_in(folder.path()).size() == 1);
}

TEST_CASE("a damaged file is an error that names it and the cure, and the cure works") {
  const test::TemporaryFolder folder;
  const CountingEncoder encoder;
  const auto texts = texts_of(40);
  CachedEmbedder(encoder, folder.path(), {.chunk = 20}).embed(texts);
  const auto files = files_in(folder.path());
  REQUIRE(files.size() == 2);
  const std::string good = read_file(files[0]);
  const auto spoil = [&](const std::string& bytes) {
    std::ofstream(files[0], std::ios::binary) << bytes;
    REQUIRE_ERROR(CachedEmbedder(encoder, folder.path()), "cloze.embedding.3");
    try {
      CachedEmbedder(encoder, folder.path());
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find(files[0].string()) != std::string::npos);
      CHECK(std::string(error.what()).find("delete this file") != std::string::npos);
    }
  };
  spoil("");
  spoil("not a file of ours at all");
  for (const std::size_t size : {std::size_t{1}, good.size() / 2, good.size() - 1}) spoil(good.substr(0, size));
  for (std::size_t at = 8; at < good.size(); at += 13) {  // a bit anywhere: header, keys or vectors
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    spoil(flipped);
  }
  std::filesystem::remove(files[0]);
  *encoder.asked = 0;
  CHECK(CachedEmbedder(encoder, folder.path()).embed(texts).to_vector() == CountingEncoder{}.embed(texts).to_vector());
  CHECK(*encoder.asked == 20);
}

TEST_CASE("vectors of another encoder or width in the folder are refused") {
  const test::TemporaryFolder folder;
  const CountingEncoder encoder;
  CachedEmbedder(encoder, folder.path()).embed(texts_of(20));
  const auto file = files_in(folder.path()).at(0);
  std::filesystem::create_directories(folder.path() / "counting-9");
  std::filesystem::copy_file(file, folder.path() / "counting-9" / file.filename());
  REQUIRE_ERROR(CachedEmbedder(CountingEncoder{.name = "counting-9"}, folder.path()), "cloze.embedding.3");
  struct Wide : CountingEncoder {
    Tensor<float> embed(std::span<const std::string> texts) const {
      return Tensor<float>::zeros({static_cast<Index>(texts.size()), 4});
    }
  };
  const CachedEmbedder wide(Wide{}, folder.path());
  REQUIRE_ERROR(wide.embed(texts_of(20, 50)), "cloze.embedding.1");
  CHECK(wide.embed(texts_of(20)).dim(1) == 3);
}

TEST_CASE("what cannot be a cache is an error") {
  const test::TemporaryFolder folder;
  REQUIRE_ERROR(CachedEmbedder(CountingEncoder{.name = "../elsewhere"}, folder.path()), "cloze.embedding.4");
  REQUIRE_ERROR(CachedEmbedder(CountingEncoder{.name = ""}, folder.path()), "cloze.embedding.4");
  REQUIRE_ERROR(CachedEmbedder(CountingEncoder{}, folder.path(), {.chunk = 0}), "cloze.embedding.5");
  folder.write("file", "x");
  REQUIRE_ERROR(CachedEmbedder(CountingEncoder{}, folder.path() / "file"), "cloze.file.3");
}

TEST_CASE("several writers of one folder, and threads of one cache, do not disturb each other") {
  const test::TemporaryFolder folder;
  const auto texts = texts_of(200);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      CountingEncoder mine;
      mine.asked = std::make_shared<Index>(0);
      const CachedEmbedder cache(mine, folder.path(), {.chunk = 16});
      cache.embed(texts);
    });
  for (auto& thread : threads) thread.join();
  const CountingEncoder encoder;
  const CachedEmbedder cache(encoder, folder.path());
  threads.clear();
  std::vector<int> wrong(3);
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      const auto mine = texts_of(60, static_cast<int>(100 + 50 * t));
      wrong[t] = cache.embed(mine).to_vector() != CountingEncoder{}.embed(mine).to_vector();
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(3));
  CHECK(cache.size() == 260);
}

TEST_CASE("demonstrations are chosen through a cache as without one") {
  const test::TemporaryFolder folder;
  const CountingEncoder encoder;
  std::vector<Example> data;
  for (const std::string& text : texts_of(24))
    data.push_back({.text_a = text, .label = static_cast<LabelId>(data.size() % 2), .source = "f:" + text});
  const SimilarDemos plain(encoder, data);
  const SimilarDemos cached(CachedEmbedder(encoder, folder.path()), data);
  for (const Example& query : data) CHECK(cached.candidates(query) == plain.candidates(query));
  *encoder.asked = 0;
  const SimilarDemos again(CachedEmbedder(encoder, folder.path()), data);
  CHECK(*encoder.asked == 0);
}
