// Rows of a table by index on Cuda, and the way back without atomics: the host sorts the slots, so that one thread adds
// up all that comes to an element.
#pragma once

#include <algorithm>

#include <cloze/core/device.hpp>
#include <cloze/kernels/cuda/each.cuh>
#include <cloze/kernels/gather_args.hpp>
#include <cloze/tensor/storage.hpp>

namespace cloze::kernels {

namespace cuda {

/// a.ids are on the device.
template <class T>
struct GatherBody {
  GatherArgs<T> a;
  template <int N>
  __device__ void run(Index i, Index c) const {
    store(a.y + i * a.columns + c, load<N>(a.table + a.ids[i] * a.columns + c));
  }
};

/// Which rows of dy go where, sorted by slot. A slot with many rows (the segment of most tokens) is cut into pieces
/// whose sums are added afterwards: by the slots alone, so that the bits are always the same.
class ScatterPlan {
 public:
  static constexpr Index piece = 32;  // rows that a thread adds up at most

  ScatterPlan(const Index* slots, Index count) : count_(count) {
    const Index used = count == 0 ? 0 : *std::max_element(slots, slots + count) + 1;
    List<Index> begin(static_cast<std::size_t>(used + 1));
    for (Index i = 0; i < count; ++i) ++begin[static_cast<std::size_t>(slots[i] + 1)];
    for (Index s = 0; s < used; ++s) begin[static_cast<std::size_t>(s + 1)] += begin[static_cast<std::size_t>(s)];
    List<Index> order(static_cast<std::size_t>(count)), bounds, targets, heavy, heavy_bounds;
    cut(begin, used, bounds, targets, heavy, heavy_bounds);
    for (Index i = 0; i < count; ++i) order[static_cast<std::size_t>(begin[static_cast<std::size_t>(slots[i])]++)] = i;
    pieces_ = static_cast<Index>(targets.size());
    heavies_ = static_cast<Index>(heavy.size());
    parts_ = heavy_bounds.back();
    for (const List<Index>* list : {&order, &bounds, &targets, &heavy, &heavy_bounds})
      lists_.insert(lists_.end(), list->begin(), list->end());
  }

  /// All lists, one after the other: see PlanView.
  const List<Index>& lists() const { return lists_; }
  Index count() const { return count_; }
  Index pieces() const { return pieces_; }
  Index heavies() const { return heavies_; }
  Index parts() const { return parts_; }

 private:
  static void cut(const List<Index>& begin, Index used, List<Index>& bounds, List<Index>& targets, List<Index>& heavy,
                  List<Index>& heavy_bounds) {
    Index parts = 0;
    bounds.push_back(0);
    heavy_bounds.push_back(0);
    for (Index s = 0; s < used; ++s) {
      const Index first = begin[static_cast<std::size_t>(s)], last = begin[static_cast<std::size_t>(s + 1)];
      if (first == last) continue;
      const bool whole = last - first <= piece;
      for (Index at = first; at < last; at += piece) {
        bounds.push_back(std::min(at + piece, last));
        targets.push_back(whole ? s : -1 - parts++);
      }
      if (whole) continue;
      heavy.push_back(s);
      heavy_bounds.push_back(parts);
    }
  }

  List<Index> lists_;
  Index count_, pieces_ = 0, heavies_ = 0, parts_ = 0;
};

/// A ScatterPlan on the device.
struct PlanView {
  const Index* order;         // [count] rows of dy, sorted by slot
  const Index* bounds;        // [pieces + 1] in `order`
  const Index* targets;       // [pieces] the slot, or -1 - part where the slot has more pieces
  const Index* heavy;         // [heavies] slots of several pieces
  const Index* heavy_bounds;  // [heavies + 1] in the parts

  PlanView(const ScatterPlan& plan, const Index* lists)
      : order(lists),
        bounds(order + plan.count()),
        targets(bounds + plan.pieces() + 1),
        heavy(targets + plan.pieces()),
        heavy_bounds(heavy + plan.heavies()) {}
};

template <class T>
struct ScatterBody {
  GatherBackwardArgs<T> a;
  PlanView plan;
  Compute<T>* parts;  // [parts, columns]
  template <int N>
  __device__ void run(Index i, Index c) const {
    const Index target = plan.targets[i];
    T* to = a.dtable + target * a.columns + c;
    auto sum = target < 0 ? filled<N>(Compute<T>(0)) : load<N>(to);
#pragma unroll 4
    for (Index at = plan.bounds[i]; at < plan.bounds[i + 1]; ++at) {
      const auto dy = load<N>(a.dy + plan.order[at] * a.columns + c);
#pragma unroll
      for (int j = 0; j < N; ++j) sum[j] += dy[j];
    }
    if (target < 0)
      store(parts + (-1 - target) * a.columns + c, sum);
    else
      store(to, sum);
  }
};

template <class T>
struct ScatterPartsBody {
  GatherBackwardArgs<T> a;
  PlanView plan;
  const Compute<T>* parts;
  template <int N>
  __device__ void run(Index i, Index c) const {
    T* to = a.dtable + plan.heavy[i] * a.columns + c;
    auto sum = load<N>(to);
#pragma unroll 4
    for (Index part = plan.heavy_bounds[i]; part < plan.heavy_bounds[i + 1]; ++part) {
      const auto more = load<N>(parts + part * a.columns + c);
#pragma unroll
      for (int j = 0; j < N; ++j) sum[j] += more[j];
    }
    store(to, sum);
  }
};

}  // namespace cuda

template <class T>
void gather_forward(Cuda, const GatherArgs<T>& args) {
  GatherArgs<T> a = args;
  const cloze::cuda::Uploaded<Index> ids(a.ids, a.count);
  a.ids = ids.data();
  const bool packed = cuda::whole_packs<T>(a.columns) && cuda::aligned(a.table, a.y);
  cuda::each_in_rows<T>("gather_rows", a.count, a.columns, packed, cuda::GatherBody<T>{a});
}

template <class T>
void gather_backward(Cuda, const GatherBackwardArgs<T>& a) {
  if (a.count == 0 || a.columns == 0) return;
  const char* op = "gather_rows backward";
  const cuda::ScatterPlan plan(a.slots, a.count);
  const cloze::cuda::Uploaded<Index> lists(plan.lists().data(), static_cast<Index>(plan.lists().size()));
  const Storage<Compute<T>, Cuda> parts(plan.parts() * a.columns);
  const cuda::PlanView view(plan, lists.data());
  const bool packed = cuda::whole_packs<T>(a.columns) && cuda::aligned(a.dy, a.dtable);
  cuda::each_in_rows<T>(op, plan.pieces(), a.columns, packed, cuda::ScatterBody<T>{a, view, parts.data()});
  cuda::each_in_rows<T>(op, plan.heavies(), a.columns, packed, cuda::ScatterPartsBody<T>{a, view, parts.data()});
}

}  // namespace cloze::kernels
