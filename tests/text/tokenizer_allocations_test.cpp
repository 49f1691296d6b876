// Counts what the tokenizers take from the heap: buffers of a text, nothing for each token.
#include <atomic>
#include <cstdlib>

#include <cloze/text/tokenizer.hpp>

#include "support/catch.hpp"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {
std::atomic<int> taken{0};
}

extern "C" {
void* __libc_malloc(std::size_t);

void* malloc(std::size_t bytes) noexcept {  // what operator new calls
  taken.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
}

using namespace cloze;

TEST_CASE("a text costs as many allocations as its buffers grow, however many tokens it has") {
  const auto tokenizer = Tokenizer::from_pretrained("models/minilm-mlm-en");
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += i % 7 == 0 ? "unbelievable, " : i % 2 == 0 ? "the films " : "rewound ";
  const auto tokens = tokenizer.encode(text).size();  // the thread's cache of words exists from now on
  REQUIRE(tokens > 40'000);
  const int before = taken.load();
  CHECK(tokenizer.encode(text).size() == tokens);
  CHECK(taken.load() - before < 200);  // a vector of n elements grows log n times
}

#endif
