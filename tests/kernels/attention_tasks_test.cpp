#include <cloze/kernels/cpu/attention_tasks.hpp>

#include <atomic>
#include <map>
#include <tuple>

#include "support/catch.hpp"

using namespace cloze;
using namespace cloze::kernels;

TEST_CASE("attention tasks cover every query row of every head once, for any number of threads") {
  const std::vector<Index> cu_q{0, 0, 3, 203, 204}, cu_k{0, 5, 8, 100, 100};
  const int before = num_threads();
  for (const int threads : {1, 2, 4, 64}) {
    set_num_threads(threads);
    for (const Index rows : {0, 64}) {
      const AttentionLayout layout{.sequences = 4,
                                   .heads = 4,
                                   .kv_heads = 2,
                                   .head_size = 8,
                                   .cu_q = cu_q.data(),
                                   .cu_k = cu_k.data(),
                                   .q_positions = nullptr,
                                   .causal = false,
                                   .dropout = {}};
      std::map<std::tuple<Index, Index, Index>, int> seen;
      std::map<std::pair<Index, Index>, int> pairs;
      for (const auto& task : detail::attention_tasks(layout, rows)) {
        CHECK((rows == 0 || task.begin % rows == 0));
        ++pairs[{task.sequence, task.kv_head}];
        for (Index i = task.begin; i < task.end; ++i) ++seen[{task.sequence, task.kv_head, i}];
      }
      CHECK(pairs.size() == 8);  // sequences without queries too: their keys have gradients to zero
      CHECK(seen.size() == 204 * 2);
      for (const auto& [place, times] : seen) CHECK(times == 1);
      if (rows == 0)
        for (const auto& [pair, times] : pairs) CHECK(times == 1);
      std::atomic<Index> work{0};
      detail::run_attention_tasks(detail::attention_tasks(layout, rows), 1'000'000,
                                  [&](const detail::AttentionTask& task) { work += task.end - task.begin; });
      CHECK(work == 204 * 2);
    }
  }
  set_num_threads(before);
}
