#include <cloze/kernels/cpu/attention_tasks.hpp>

#include <atomic>
#include <map>
#include <tuple>

#include "support/catch.hpp"

using namespace cloze;
using namespace cloze::kernels;

namespace {

AttentionLayout layout(const std::vector<Index>& cu_q, const std::vector<Index>& cu_k) {
  return {.sequences = static_cast<Index>(cu_q.size()) - 1,
          .heads = 4,
          .kv_heads = 2,
          .head_size = 8,
          .cu_q = cu_q.data(),
          .cu_k = cu_k.data(),
          .q_positions = nullptr,
          .last_to_last = false,
          .before = AttentionLayout::all,
          .after = AttentionLayout::all,
          .dropout = {}};
}

template <class F>
void with_threads(int threads, F&& f) {
  const int before = num_threads();
  set_num_threads(threads);
  f();
  set_num_threads(before);
}

}  // namespace

TEST_CASE("attention tasks cover every query row and every key of every head once, for any number of threads") {
  const std::vector<Index> cu_q{0, 0, 3, 203, 204, 204 + 64}, cu_k{0, 5, 8, 100, 100, 1130};
  for (const int threads : {1, 2, 4, 64})
    for (const double slack : {1.0, 1.1, 1.4})
      with_threads(threads, [&] {
        auto work = kernels::detail::attention_tasks(layout(cu_q, cu_k), slack);
        std::map<std::tuple<Index, Index, Index>, int> queries, keys;
        std::map<std::pair<Index, Index>, int> pairs;
        for (const auto& task : work.tasks) {
          CHECK(task.begin % kernels::detail::attention_rows == 0);
          ++pairs[{task.sequence, task.kv_head}];
          for (Index i = task.begin; i < task.end; ++i) ++queries[{task.sequence, task.kv_head, i}];
          if (task.cut) continue;
          for (Index j = task.first_key; j < task.last_key; ++j) ++keys[{task.sequence, task.kv_head, j}];
        }
        for (const auto& task : work.by_keys) {
          CHECK(task.first_key % kernels::detail::attention_rows == 0);
          CHECK(task.begin == 0);
          for (Index j = task.first_key; j < task.last_key; ++j) ++keys[{task.sequence, task.kv_head, j}];
        }
        CHECK(pairs.size() == 10);  // sequences without queries too: their keys have gradients to zero
        CHECK(queries.size() == 268 * 2);
        CHECK(keys.size() == 1130 * 2);
        for (const auto& [place, times] : queries) CHECK(times == 1);
        for (const auto& [place, times] : keys) CHECK(times == 1);
        std::atomic<Index> rows{0}, calls{0};
        kernels::detail::run_attention_tasks(work.tasks, 1'000'000, [&](const kernels::detail::AttentionTask& task) {
          rows += task.end - task.begin;
          ++calls;
        });
        CHECK(rows == 268 * 2);
        CHECK(calls == static_cast<Index>(work.tasks.size()));
      });
}

TEST_CASE("attention cuts long sequences only where threads would wait for each other") {
  const std::vector<Index> one{0, 1024}, even{0, 100, 200, 300, 400, 500, 600, 700, 800};
  with_threads(2, [&] {
    CHECK(kernels::detail::attention_tasks(layout(one, one), 1.1).by_keys.empty());  // two heads for two threads
    CHECK(kernels::detail::attention_tasks(layout(even, even), 1.1).by_keys.empty());
  });
  with_threads(8, [&] {
    auto work = kernels::detail::attention_tasks(layout(one, one), 1.4);
    CHECK(work.by_keys.size() >= 8);
    Index total = 0;
    for (const auto& task : work.tasks) total += task.cost;
    CHECK(kernels::detail::share_attention_tasks(work.tasks, 8) * 8 < total * 5 / 4);
    CHECK(kernels::detail::attention_tasks(layout(even, even), 1.4).by_keys.empty());
  });
}
