// Demonstrations: which answered examples a query is shown with.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/core/ids.hpp>
#include <cloze/core/rng.hpp>
#include <cloze/data/example.hpp>
#include <cloze/prompt/demonstration.hpp>

namespace cloze {

/// Given a query and random numbers, the demonstrations to show, in order. They point into data that outlives the call.
template <class S>
concept DemoSampler = requires(const S& sampler, const Example& query, Rng& rng) {
  { sampler.sample(query, rng) } -> std::convertible_to<std::vector<Demonstration>>;
};

/// Shows none.
struct NoDemos {
  std::vector<Demonstration> sample(const Example&, Rng&) const { return {}; }
};

namespace detail {

/// The label that each example is shown with: its own, or, with a threshold, 0 for a score up to it and 1 above.
/// Errors: [cloze.demos.1] an example without one.   data [examples] -> [examples]
inline std::vector<LabelId> demo_labels(std::span<const Example> data, const std::optional<float>& score_threshold) {
  std::vector<LabelId> labels;
  labels.reserve(data.size());
  for (const Example& example : data) {
    if (score_threshold) {
      require(example.score.has_value(), "cloze.demos.1", "{}: no score to show it as a demonstration",
              describe(example));
      labels.push_back(static_cast<LabelId>(*example.score <= *score_threshold ? 0 : 1));
      continue;
    }
    require(example.label.has_value() && value(*example.label) >= 0 &&
                value(*example.label) < static_cast<Index>(data.size()),
            "cloze.demos.1", "{}: {} cannot be shown as a demonstration", describe(example),
            example.label ? formatted("label {} of {} examples", value(*example.label), data.size())
                          : std::string("no label, so it"));
    labels.push_back(*example.label);
  }
  return labels;
}

/// The examples of each label, by index, and proof that each has `per_label` of them.   -> [labels][examples]
/// Errors: demo_labels'; [cloze.demos.2] no examples, a label with too few, or per_label below 1.
inline std::vector<std::vector<Index>> group_demos(std::span<const Example> data, Index per_label,
                                                   const std::optional<float>& score_threshold) {
  require(per_label >= 1, "cloze.demos.2", "{} demonstrations of each label; wanted 1 or more", per_label);
  std::vector<std::vector<Index>> groups(score_threshold ? 2 : 0);
  Index at = 0;
  for (const LabelId label : demo_labels(data, score_threshold)) {
    const auto group = static_cast<std::size_t>(value(label));
    if (group >= groups.size()) groups.resize(group + 1);
    groups[group].push_back(at++);
  }
  require(at > 0, "cloze.demos.2", "no examples to show as demonstrations");
  for (std::size_t label = 0; label < groups.size(); ++label)
    require(static_cast<Index>(groups[label].size()) >= per_label, "cloze.demos.2",
            "label {} has {} examples, and {} of each are to be shown", label, groups[label].size(), per_label);
  return groups;
}

/// True where `candidate` is the query itself: the same object, or equal texts from the same place.
inline bool is_query(const Example& candidate, const Example& query) {
  return &candidate == &query ||
         (candidate.source == query.source && candidate.text_a == query.text_a && candidate.text_b == query.text_b);
}

/// Moves `count` random candidates to the front, without replacement.
inline void draw_to_front(std::vector<Index>& candidates, Index count, Rng& rng) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
    std::swap(candidates[i], candidates[i + static_cast<std::size_t>(rng.below(candidates.size() - i))]);
}

}  // namespace detail

struct RandomDemosOptions {
  Index per_label = 1;
  /// Regression: examples with a score up to this are shown with label 0, the others with label 1 (LM-BFF: 2.5).
  std::optional<float> score_threshold = {};
};

/// So many random examples of each label, without replacement, labels in order (LM-BFF shows one of each). The query
/// itself is never among them: it is recognised by its address, or by equal texts and source.
class RandomDemos {
 public:
  /// Keeps a view of `data`, which must live as long. Errors: [cloze.demos.1] an example without label (or, with
  /// score_threshold, without score), [cloze.demos.2] a label with no example, or per_label below 1.
  explicit RandomDemos(std::span<const Example> data, const RandomDemosOptions& options = {})
      : data_(data),
        per_label_(options.per_label),
        by_label_(detail::group_demos(data, options.per_label, options.score_threshold)) {}
  explicit RandomDemos(const std::vector<Example>& data, const RandomDemosOptions& options = {})
      : RandomDemos(std::span<const Example>(data.data(), data.size()), options) {}
  RandomDemos(std::vector<Example>&& data, const RandomDemosOptions& options = {}) = delete;  // it would dangle

  /// Throws [cloze.demos.3] where a label has too few examples besides the query.
  std::vector<Demonstration> sample(const Example& query, Rng& rng) const {
    std::vector<Demonstration> demos;
    std::vector<Index> candidates;
    for (std::size_t label = 0; label < by_label_.size(); ++label) {
      candidates.clear();
      for (const Index i : by_label_[label])
        if (!detail::is_query(data_[static_cast<std::size_t>(i)], query)) candidates.push_back(i);
      require(static_cast<Index>(candidates.size()) >= per_label_, "cloze.demos.3",
              "{}: label {} has {} examples besides the query, and {} of each are to be shown", describe(query), label,
              candidates.size(), per_label_);
      detail::draw_to_front(candidates, per_label_, rng);
      for (std::size_t i = 0; i < static_cast<std::size_t>(per_label_); ++i)
        demos.push_back({&data_[static_cast<std::size_t>(candidates[i])], static_cast<LabelId>(label)});
    }
    return demos;
  }

 private:
  std::span<const Example> data_;
  Index per_label_;
  std::vector<std::vector<Index>> by_label_;  // [labels][examples]
};

static_assert(DemoSampler<NoDemos> && DemoSampler<RandomDemos>);

}  // namespace cloze
