// Counts what a training loop takes from the heap. The counters stand in for the C library's functions in this whole
// program, and count on one thread only while a Counting is alive.
#include <cstdlib>
#include <new>

#include <cloze/autograd/losses.hpp>
#include <cloze/models/bert.hpp>
#include <cloze/train/adamw.hpp>
#include <cloze/train/clip.hpp>
#include <cloze/train/schedule.hpp>
#include <cloze/train/sgd.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"
#include "support/temporary.hpp"
#include "support/tiny_model.hpp"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {

std::atomic<bool> counting{false};
std::atomic<int> counted{0};

void count() {
  if (counting.load(std::memory_order_relaxed)) counted.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

// What operator new and Eigen call.
void* malloc(std::size_t bytes) noexcept {
  count();
  return __libc_malloc(bytes);
}
void* calloc(std::size_t number, std::size_t bytes) noexcept {
  count();
  return __libc_calloc(number, bytes);
}
void* realloc(void* memory, std::size_t bytes) noexcept {
  count();
  return __libc_realloc(memory, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  count();
  return __libc_memalign(alignment, bytes);
}
}

using namespace cloze;

namespace {

/// Allocations of one training run in each of its steps, every part of the step included.
template <class MakeOptimizer>
std::vector<int> allocations(MakeOptimizer make_optimizer) {
  const test::TemporaryFolder folder;
  test::tiny_bert().write(folder.path());
  const auto model = BertForMaskedLM<float>::from_pretrained(folder.path());
  auto parameters = model.parameters();
  auto optimizer = make_optimizer(parameters);
  const LinearSchedule schedule{.total = 20, .warmup = 2};
  Rng rng(3, "dropout");
  const std::vector<TokenId> words{TokenId{4}, TokenId{9}, TokenId{17}};
  std::vector<PackedBatch> batches;  // of other numbers of tokens
  for (const auto& lengths : {std::vector<Index>{7, 3, 12}, {5, 5, 8, 1}, {16, 2}, {9, 11, 4}})
    batches.push_back(test::tiny_batch(lengths, 2));
  std::vector<int> found;
  for (Index step = 0; step < 20; ++step) {
    const PackedBatch& batch = batches[static_cast<std::size_t>(step) % batches.size()];
    std::vector<LabelId> labels;
    for (std::size_t i = 0; i < batch.mask_rows.size(); ++i) labels.push_back(static_cast<LabelId>(i % 3));
    counted = 0;
    counting = true;
    {
      const auto scores = model.mask_scores(batch, words, {.training = true, .rng = &rng});
      const auto loss = cross_entropy(scores, std::span<const LabelId>(labels));
      loss.backward();
      clip_grad_norm(parameters, 1.0);
      optimizer.set_lr(1e-3 * schedule(step));
      optimizer.step();
      optimizer.zero_grad();
    }
    counting = false;
    found.push_back(counted);
  }
  return found;
}

}  // namespace

TEST_CASE("the allocation counter counts what new, vectors and Eigen take") {
  counted = 0;
  counting = true;
  std::vector<int> some(100);
  std::free(std::malloc(some.size()));
  counting = false;
  CHECK(counted == 2);
}

TEST_CASE("a training loop takes nothing from the heap once it runs") {
  const auto steps = GENERATE(0, 1);
  const auto found =
      steps == 0
          ? allocations(
                [](const auto& parameters) { return AdamW<float>(parameters, {.lr = 1e-3, .weight_decay = 0.01}); })
          : allocations([](const auto& parameters) { return SGD<float>(parameters, {.lr = 1e-3, .momentum = 0.9}); });
  CHECK(found[0] > 0);
  CHECK(std::vector<int>(found.begin() + 10, found.end()) == std::vector<int>(10));
}

#endif
