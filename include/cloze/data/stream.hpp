// Streams: items one after another from data larger than memory, each able to say where it stands and to go on from
// there.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/json.hpp>
#include <cloze/core/rng.hpp>

namespace cloze {

/// A source of items. `next()` gives nothing at the end, and nothing from then on. `state()` is where the stream
/// stands, for a checkpoint; after `restore(state)` on a stream built with the same options, the same rest follows,
/// item for item.
template <class S>
concept ItemStream = requires(S& stream, const S& constant, const nlohmann::json& state) {
  typename S::Item;
  { stream.next() } -> std::same_as<std::optional<typename S::Item>>;
  { constant.state() } -> std::convertible_to<nlohmann::json>;
  stream.restore(state);
};

namespace detail {

inline nlohmann::json to_json(const RngState& state) {
  return {{"seed", state.seed}, {"stream", state.stream}, {"position", state.position}};
}

inline Rng rng_from_json(const nlohmann::json& state) {
  return Rng(RngState{json_get<std::uint64_t>(state, "seed", "random state"),
                      json_get<std::uint64_t>(state, "stream", "random state"),
                      json_get<std::uint64_t>(state, "position", "random state")});
}

}  // namespace detail

enum class WhenOneEnds {
  drop,  // the others go on, their weights in proportion
  stop,  // the mixture ends
};

/// Several streams, each item from one that is drawn by weight. Over streams without end the shares are the weights'.
template <ItemStream S>
class MixedStream {
 public:
  using Item = typename S::Item;

  /// Errors: [cloze.stream.1] no stream, not one weight each, a weight that is not a positive number.
  MixedStream(std::vector<S> streams, std::vector<double> weights, Rng rng, WhenOneEnds when = WhenOneEnds::drop)
      : streams_(std::move(streams)), weights_(std::move(weights)), rng_(std::move(rng)), when_(when) {
    require(!streams_.empty() && streams_.size() == weights_.size(), "cloze.stream.1",
            "{} streams with {} weights: wanted one weight each, and at least one", streams_.size(), weights_.size());
    for (std::size_t i = 0; i < weights_.size(); ++i)
      require(weights_[i] > 0 && weights_[i] <= 1e300, "cloze.stream.1",
              "the weight of stream {} is {}: wanted a positive number", i, weights_[i]);
    counts_.resize(streams_.size());
    ended_.resize(streams_.size());
  }

  std::optional<Item> next() {
    for (std::size_t i = draw(); i < streams_.size(); i = draw()) {
      if (auto item = streams_[i].next()) {
        ++counts_[i];
        return item;
      }
      ended_[i] = 1;
      if (when_ == WhenOneEnds::stop) std::fill(ended_.begin(), ended_.end(), 1);
    }
    return std::nullopt;
  }

  /// Items taken so far. [streams]
  const std::vector<std::uint64_t>& counts() const { return counts_; }

  nlohmann::json state() const {
    nlohmann::json streams = nlohmann::json::array();
    for (const S& stream : streams_) streams.push_back(stream.state());
    return {{"streams", std::move(streams)},
            {"rng", detail::to_json(rng_.state())},
            {"counts", counts_},
            {"ended", ended_}};
  }

  /// Errors: [cloze.json.2] not such a state; [cloze.stream.2] a state of another number of streams; what the streams
  /// throw.
  void restore(const nlohmann::json& state) {
    const auto streams = json_get<std::vector<nlohmann::json>>(state, "streams", "stream state");
    auto counts = json_get<std::vector<std::uint64_t>>(state, "counts", "stream state");
    auto ended = json_get<std::vector<int>>(state, "ended", "stream state");
    require(streams.size() == streams_.size() && counts.size() == streams_.size() && ended.size() == streams_.size(),
            "cloze.stream.2", "the state is of {} mixed streams, this mixture has {}", streams.size(), streams_.size());
    rng_ = detail::rng_from_json(json_get<nlohmann::json>(state, "rng", "stream state"));
    for (std::size_t i = 0; i < streams.size(); ++i) streams_[i].restore(streams[i]);
    counts_ = std::move(counts);
    ended_ = std::move(ended);
  }

 private:
  /// A stream that has not ended, by weight; beyond the last where all have.
  std::size_t draw() {
    double total = 0;
    std::size_t last = streams_.size();
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      if (ended_[i]) continue;
      total += weights_[i];
      last = i;
    }
    if (last == streams_.size()) return last;
    double left = rng_.uniform() * total;
    for (std::size_t i = 0; i < last; ++i) {
      if (ended_[i]) continue;
      if (left < weights_[i]) return i;
      left -= weights_[i];
    }
    return last;
  }

  std::vector<S> streams_;
  std::vector<double> weights_;
  Rng rng_;
  WhenOneEnds when_;
  std::vector<std::uint64_t> counts_;
  std::vector<int> ended_;
};

/// What `work(items, rng)` makes of the items of a stream, `window` at a time; a window of which it makes nothing is
/// passed over. The state is where the window began and how far it is used, not thousands of items: so it is made anew
/// from the same numbers after restore().
template <ItemStream S, class Work>
class WindowStream {
 public:
  using Item = typename std::invoke_result_t<const Work&, std::vector<typename S::Item>, Rng&>::value_type;

  /// Errors: [cloze.stream.3] a window below `least`.
  WindowStream(S source, Work work, Index window, Rng rng, Index least = 1)
      : source_(std::move(source)),
        work_(std::move(work)),
        window_(window),
        rng_(std::move(rng)),
        before_(begin_window()) {
    require(window >= least, "cloze.stream.3", "a window of {} items: wanted at least {}", window, least);
  }

  /// Errors: the source's and the work's.
  std::optional<Item> next() {
    while (taken_ == items_.size()) {
      before_ = begin_window();
      if (!fill()) return std::nullopt;
    }
    return std::move(items_[taken_++]);
  }

  nlohmann::json state() const {
    nlohmann::json state = before_;
    state["taken"] = taken_;
    return state;
  }

  /// Errors: [cloze.json.2] not such a state; [cloze.stream.2] a state of another window; what source and work throw.
  void restore(const nlohmann::json& state) {
    const auto window = json_get<Index>(state, "window", "stream state");
    require(window == window_, "cloze.stream.2", "the state is of a window of {} items, this one has {}", window,
            window_);
    const auto taken = json_get<std::size_t>(state, "taken", "stream state");
    rng_ = detail::rng_from_json(json_get<nlohmann::json>(state, "rng", "stream state"));
    source_.restore(json_get<nlohmann::json>(state, "source", "stream state"));
    before_ = begin_window();
    items_.clear();
    taken_ = 0;
    if (taken > 0) fill();
    require(taken <= items_.size(), "cloze.stream.2", "the state has used {} items of a window that has {}", taken,
            items_.size());
    taken_ = taken;
  }

 private:
  nlohmann::json begin_window() const {
    nlohmann::json state;
    state["source"] = source_.state();
    state["rng"] = detail::to_json(rng_.state());
    state["window"] = window_;
    return state;
  }

  /// False where the source has ended.
  bool fill() {
    std::vector<typename S::Item> read;
    while (static_cast<Index>(read.size()) < window_) {
      auto item = source_.next();
      if (!item) break;
      read.push_back(std::move(*item));
    }
    const bool any = !read.empty();
    items_.clear();
    taken_ = 0;
    if (any) items_ = work_(std::move(read), rng_);
    return any;
  }

  S source_;
  Work work_;
  Index window_;
  Rng rng_;
  nlohmann::json before_;  // where source and generator stood when the window began
  std::vector<Item> items_;
  std::size_t taken_ = 0;
};

/// The work of a ShuffledStream.
struct ShuffleItems {
  template <class T>
  std::vector<T> operator()(std::vector<T> items, Rng& rng) const {
    rng.shuffle(items);
    return items;
  }
};

/// The items in random order, `window` at a time: each window is read whole and shuffled (not a sliding buffer).
template <ItemStream S>
class ShuffledStream : public WindowStream<S, ShuffleItems> {
 public:
  /// Errors: [cloze.stream.3] a window below 1.
  ShuffledStream(S source, Index window, Rng rng)
      : WindowStream<S, ShuffleItems>(std::move(source), {}, window, std::move(rng)) {}
};

}  // namespace cloze
