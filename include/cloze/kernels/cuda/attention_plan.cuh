// From the host's arguments of an attention to what its kernels on a GPU take.
#pragma once

#include <algorithm>
#include <limits>
#include <numeric>

#include <cloze/core/pool.hpp>
#include <cloze/kernels/cuda/attention_device.cuh>
#include <cloze/kernels/cuda/launch.cuh>
#include <cloze/tensor/storage.hpp>

namespace cloze::kernels::cuda {

/// The lists of a layout on the GPU, with its rows cut into tiles. Must live until the kernels are launched.
class AttentionPlan {
 public:
  AttentionShape shape;
  const long long* pairs = nullptr;  // AttentionBias::pairs
  unsigned q_tiles = 0, k_tiles = 0;

  /// Tiles of so many rows; with `every`, a sequence without keys has an empty tile of keys. Throws [cloze.attention.6]
  /// for more rows than the kernels count.
  AttentionPlan(const AttentionLayout& l, const Index* pair_starts, Index q_rows, Index k_rows, bool every = false) {
    constexpr Index most = std::numeric_limits<int>::max() / 2;
    const auto sequences = static_cast<std::size_t>(l.sequences);
    require(l.cu_q[sequences] <= most && l.cu_k[sequences] <= most && l.heads <= 65535, "cloze.attention.6",
            "attention on a GPU: {} query rows, {} key rows, {} heads: wanted at most {} rows and 65535 heads",
            l.cu_q[sequences], l.cu_k[sequences], l.heads, most);
    List<int> list;
    const auto add = [&](const Index* values, std::size_t count) {
      const std::size_t at = list.size();
      for (std::size_t i = 0; i < count; ++i) list.push_back(static_cast<int>(values[i]));
      return at;
    };
    if (pair_starts)
      for (std::size_t s = 0; s < sequences; ++s)
        for (const Index half : {pair_starts[s] & 0xFFFFFFFF, pair_starts[s] >> 32})
          list.push_back(static_cast<int>(static_cast<std::uint32_t>(half)));
    List<int> order(sequences);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return l.keys(a) > l.keys(b); });
    const std::size_t q_at = list.size();
    q_tiles = add_tiles(list, order, l.cu_q, q_rows, false);
    const std::size_t k_at = list.size();
    k_tiles = add_tiles(list, order, l.cu_k, k_rows, every);
    const std::size_t cu_q = add(l.cu_q, sequences + 1), cu_k = add(l.cu_k, sequences + 1);
    const std::size_t positions = add(l.q_positions, l.q_positions ? static_cast<std::size_t>(l.cu_q[sequences]) : 0);
    list_ = cloze::cuda::Uploaded<int>(list.data(), static_cast<Index>(list.size()));
    const int* there = list_.data();
    if (pair_starts) pairs = reinterpret_cast<const long long*>(there);
    shape = {.sequences = static_cast<int>(l.sequences),
             .heads = static_cast<int>(l.heads),
             .kv_heads = static_cast<int>(l.kv_heads),
             .group = static_cast<int>(l.heads / l.kv_heads),
             .head_size = static_cast<int>(l.head_size),
             .cu_q = there + cu_q,
             .cu_k = there + cu_k,
             .q_positions = l.q_positions ? there + positions : nullptr,
             .q_tiles = reinterpret_cast<const AttentionTile*>(there + q_at),
             .k_tiles = reinterpret_cast<const AttentionTile*>(there + k_at),
             .last_to_last = l.last_to_last,
             .bounded = !l.sees_all(),
             .before = l.before,
             .after = l.after,
             .dropout = l.dropout};
  }

 private:
  static unsigned add_tiles(List<int>& list, const List<int>& order, const Index* cu, Index rows, bool every) {
    unsigned tiles = 0;
    for (const int s : order)
      for (Index first = 0; first < cu[s + 1] - cu[s] || (every && first == 0); first += rows, ++tiles) {
        list.push_back(s);
        list.push_back(static_cast<int>(first));
      }
    return tiles;
  }

  cloze::cuda::Uploaded<int> list_;
};

template <class T>
AttentionDevice<T> attention_device(const AttentionArgs<T>& a, const AttentionPlan& plan) {
  AttentionDevice<T> device{};
  device.shape = plan.shape;
  device.scale = a.scale;
  device.q = a.q;
  device.k = a.k;
  device.v = a.v;
  device.q_stride = a.q_stride;
  device.k_stride = a.k_stride;
  device.v_stride = a.v_stride;
  device.bias = a.bias.values;
  device.bias_columns = a.bias.columns;
  device.bias_reach = a.bias.reach();
  device.bias_pairs = plan.pairs;
  device.o = a.o;
  device.o_stride = a.o_stride;
  device.lse = a.lse;
  return device;
}

}  // namespace cloze::kernels::cuda
