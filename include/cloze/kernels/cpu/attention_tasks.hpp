// How attention's work is cut and shared out: tasks of known cost, the dearest first, to the thread with the least to
// do.
#pragma once

#include <algorithm>

#include <cloze/core/parallel.hpp>
#include <cloze/core/pool.hpp>
#include <cloze/kernels/attention_args.hpp>

namespace cloze::kernels::detail {

inline constexpr Index attention_rows = 64;   // queries of a tile
inline constexpr Index attention_keys = 512;  // keys of a tile: up to here the softmax is not rescaled

/// Some query rows and some keys of one sequence, for one head of keys and values.
struct AttentionTask {
  Index sequence, kv_head;
  Index begin, end;           // query rows
  Index first_key, last_key;  // keys [first_key, last_key); those that the rows see, at the most
  Index cost;
  bool cut = false;  // one of several of its sequence and head
  Index thread = 0;
};

/// The tasks of a pass over all sequences. Which task runs where, and how sequences are cut, never changes a result:
/// each output element belongs to one task, and is summed in the same order by any cut.
struct AttentionTasks {
  List<AttentionTask> tasks;    // one per (sequence, kv head), or several, each with some query rows
  List<AttentionTask> by_keys;  // the sequences that are cut once more, each task with some keys
};

/// Gives every task its thread; returns the cost of the thread with the most to do.
inline Index share_attention_tasks(List<AttentionTask>& tasks, Index threads) {
  std::sort(tasks.begin(), tasks.end(),
            [](const AttentionTask& a, const AttentionTask& b) {  // a stable sort would take memory
              if (a.cost != b.cost) return a.cost > b.cost;
              for (const auto member : {&AttentionTask::sequence, &AttentionTask::begin, &AttentionTask::first_key,
                                        &AttentionTask::kv_head})
                if (a.*member != b.*member) return a.*member < b.*member;
              return false;
            });
  List<Index> load(static_cast<std::size_t>(threads));
  for (auto& task : tasks) {
    const auto least = std::min_element(load.begin(), load.end());
    task.thread = least - load.begin();
    *least += task.cost;
  }
  return *std::max_element(load.begin(), load.end());
}

/// One task per (sequence, kv head). Where some thread would then do more than `slack` times its share, the sequences
/// that weigh more than half a share are cut at whole tiles.
inline AttentionTasks attention_tasks(const AttentionLayout& l, double slack) {
  const auto cost = [&](Index s) {
    const Index seen = l.sees_all() ? l.keys(s) : std::min(l.keys(s), l.before + l.after + attention_rows);
    return (l.queries(s) + 8) * (seen + 8);
  };
  AttentionTasks result;
  Index total = 0;
  for (Index s = 0; s < l.sequences; ++s)
    for (Index h = 0; h < l.kv_heads; ++h) {
      result.tasks.push_back({s, h, 0, l.queries(s), 0, l.keys(s), cost(s)});
      total += result.tasks.back().cost;
    }
  const Index threads = num_threads();
  if (threads == 1 || result.tasks.empty() ||
      static_cast<double>(share_attention_tasks(result.tasks, threads) * threads) <= slack * static_cast<double>(total))
    return result;
  result.tasks.clear();
  const auto add = [](List<AttentionTask>& to, const AttentionTask& whole, Index AttentionTask::*begin,
                      Index AttentionTask::*end, Index pieces) {
    const Index size = whole.*end, step = (size / pieces + attention_rows) / attention_rows * attention_rows;
    for (Index at = 0; at == 0 || at < size; at += step) {
      to.push_back(whole);
      to.back().cut = pieces > 1;
      to.back().*begin = at;
      to.back().*end = std::min(at + step, size);
      to.back().cost = whole.cost * (to.back().*end - at) / std::max<Index>(1, size);
    }
  };
  for (Index s = 0; s < l.sequences; ++s)
    for (Index h = 0; h < l.kv_heads; ++h) {
      const AttentionTask whole{s, h, 0, l.queries(s), 0, l.keys(s), cost(s)};
      const Index pieces = whole.cost * 2 * threads > total ? whole.cost * 4 * threads / total + 1 : 1;
      add(result.tasks, whole, &AttentionTask::begin, &AttentionTask::end, pieces);
      if (pieces > 1) add(result.by_keys, whole, &AttentionTask::first_key, &AttentionTask::last_key, pieces);
    }
  return result;
}

/// Runs body(task) for all, in parallel.
template <class Body>
void run_attention_tasks(List<AttentionTask>& tasks, Index head_size, Body&& body) {
  Index total = 0;
  for (const auto& task : tasks) total += task.cost;
  const Index threads =
      std::min<Index>({num_threads(), static_cast<Index>(tasks.size()), 1 + total * head_size / 100'000});
  if (tasks.empty()) return;
  if (threads > 1) {
    share_attention_tasks(tasks, threads);
  } else {
    for (auto& task : tasks) task.thread = 0;
  }
  parallel_for(threads, 1, [&](Index begin, Index end) {
    for (const auto& task : tasks)
      if (task.thread >= begin && task.thread < end) body(task);
  });
}

}  // namespace cloze::kernels::detail
