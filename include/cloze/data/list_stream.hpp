// ListStream: the items of a list in memory as a stream, once or again and again.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/json.hpp>
#include <cloze/data/stream.hpp>

namespace cloze {

template <class T>
class ListStream {
 public:
  using Item = T;

  /// `passes` over the list; 0: without end. Errors: [cloze.stream.3] an empty list, a negative number of passes.
  explicit ListStream(std::vector<T> items, Index passes = 1) : items_(std::move(items)), passes_(passes) {
    require(!items_.empty() && passes >= 0, "cloze.stream.3",
            "a stream of {} passes over {} items: wanted 0 or more "
            "passes over at least one item",
            passes, items_.size());
  }

  std::optional<T> next() {
    if (at_ == items_.size() && (passes_ == 0 || pass_ + 1 < passes_)) {
      at_ = 0;
      ++pass_;
    }
    if (at_ == items_.size()) return std::nullopt;
    return items_[at_++];
  }

  nlohmann::json state() const {
    nlohmann::json state;
    state["size"] = items_.size();
    state["at"] = at_;
    state["pass"] = pass_;
    return state;
  }
  /// Errors: [cloze.json.2] not such a state; [cloze.stream.2] a state of a list of another length.
  void restore(const nlohmann::json& state) {
    const auto size = json_get<std::size_t>(state, "size", "stream state");
    const auto at = json_get<std::size_t>(state, "at", "stream state");
    require(size == items_.size() && at <= size, "cloze.stream.2",
            "the state stands at item {} of a list of {}, this list has {}", at, size, items_.size());
    pass_ = json_get<Index>(state, "pass", "stream state");
    at_ = at;
  }

 private:
  std::vector<T> items_;
  Index passes_;
  std::size_t at_ = 0;
  Index pass_ = 0;
};

}  // namespace cloze
