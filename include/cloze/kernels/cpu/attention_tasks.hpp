// How attention's work is cut and shared out: tasks of known cost, the dearest first, to the thread with the least to
// do.
#pragma once

#include <algorithm>
#include <vector>

#include <cloze/core/parallel.hpp>
#include <cloze/kernels/attention_args.hpp>

namespace cloze::kernels::detail {

/// Query rows [begin, end) of one sequence against one head of keys and values.
struct AttentionTask {
  Index sequence, kv_head, begin, end;
  Index cost;
};

/// One task per (sequence, kv head); where these are too few for the threads, cut at multiples of `rows` query rows
/// (0: never). Which task runs where never changes a result: each output element belongs to one task.
inline std::vector<AttentionTask> attention_tasks(const AttentionLayout& l, Index rows) {
  std::vector<AttentionTask> tasks;
  const bool cut = rows > 0 && l.sequences * l.kv_heads < 4 * num_threads();
  for (Index s = 0; s < l.sequences; ++s) {
    const Index queries = l.queries(s), step = cut && num_threads() > 1 ? rows : std::max<Index>(1, queries);
    for (Index begin = 0; begin == 0 || begin < queries; begin += step) {
      const Index end = std::min(begin + step, queries);
      for (Index h = 0; h < l.kv_heads; ++h) tasks.push_back({s, h, begin, end, (end - begin + 8) * (l.keys(s) + 8)});
    }
  }
  return tasks;
}

/// Runs body(task) for all, in parallel.
template <class Body>
void run_attention_tasks(std::vector<AttentionTask> tasks, Index head_size, Body&& body) {
  Index total = 0;
  for (const auto& task : tasks) total += task.cost;
  const Index threads =
      std::min<Index>({num_threads(), static_cast<Index>(tasks.size()), 1 + total * head_size / 100'000});
  if (threads <= 1) {
    for (const auto& task : tasks) body(task);
    return;
  }
  std::ranges::stable_sort(tasks, std::ranges::greater{}, &AttentionTask::cost);
  std::vector<std::vector<const AttentionTask*>> share(static_cast<std::size_t>(threads));
  std::vector<Index> load(static_cast<std::size_t>(threads));
  for (const auto& task : tasks) {
    const auto least = static_cast<std::size_t>(std::ranges::min_element(load) - load.begin());
    share[least].push_back(&task);
    load[least] += task.cost;
  }
  parallel_for(threads, 1, [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t)
      for (const AttentionTask* task : share[static_cast<std::size_t>(t)]) body(*task);
  });
}

}  // namespace cloze::kernels::detail
