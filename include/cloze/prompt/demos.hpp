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
      : per_label_(options.per_label) {
    require(options.per_label >= 1, "cloze.demos.2", "{} demonstrations of each label; wanted 1 or more",
            options.per_label);
    for (const Example& example : data) {
      std::size_t label = 0;
      if (options.score_threshold) {
        require(example.score.has_value(), "cloze.demos.1", "{}: no score to show it as a demonstration",
                describe(example));
        label = *example.score <= *options.score_threshold ? 0 : 1;
      } else {
        require(example.label.has_value() && value(*example.label) >= 0 &&
                    value(*example.label) < static_cast<Index>(data.size()),
                "cloze.demos.1", "{}: {} cannot be shown as a demonstration", describe(example),
                example.label ? fmt::format("label {} of {} examples", value(*example.label), data.size())
                              : std::string("no label, so it"));
        label = static_cast<std::size_t>(value(*example.label));
      }
      if (label >= by_label_.size()) by_label_.resize(label + 1);
      by_label_[label].push_back(&example);
    }
    if (options.score_threshold) by_label_.resize(2);
    require(!by_label_.empty(), "cloze.demos.2", "no examples to show as demonstrations");
    for (std::size_t label = 0; label < by_label_.size(); ++label)
      require(static_cast<Index>(by_label_[label].size()) >= per_label_, "cloze.demos.2",
              "label {} has {} examples, and {} of each are to be shown", label, by_label_[label].size(), per_label_);
  }
  explicit RandomDemos(const std::vector<Example>& data, const RandomDemosOptions& options = {})
      : RandomDemos(std::span<const Example>(data), options) {}
  RandomDemos(std::vector<Example>&& data, const RandomDemosOptions& options = {}) = delete;  // it would dangle

  /// Throws [cloze.demos.3] where a label has too few examples besides the query.
  std::vector<Demonstration> sample(const Example& query, Rng& rng) const {
    std::vector<Demonstration> demos;
    std::vector<const Example*> candidates;
    for (std::size_t label = 0; label < by_label_.size(); ++label) {
      candidates.clear();
      for (const Example* example : by_label_[label])
        if (!same(*example, query)) candidates.push_back(example);
      require(static_cast<Index>(candidates.size()) >= per_label_, "cloze.demos.3",
              "{}: label {} has {} examples besides the query, and {} of each are to be shown", describe(query), label,
              candidates.size(), per_label_);
      for (Index i = 0; i < per_label_; ++i) {
        const auto rest = candidates.size() - static_cast<std::size_t>(i);
        std::swap(candidates[static_cast<std::size_t>(i)],
                  candidates[static_cast<std::size_t>(i) + static_cast<std::size_t>(rng.below(rest))]);
        demos.push_back({candidates[static_cast<std::size_t>(i)], static_cast<LabelId>(label)});
      }
    }
    return demos;
  }

 private:
  static bool same(const Example& a, const Example& b) {
    return &a == &b || (a.source == b.source && a.text_a == b.text_a && a.text_b == b.text_b);
  }

  Index per_label_;
  std::vector<std::vector<const Example*>> by_label_;  // [labels][examples]
};

static_assert(DemoSampler<NoDemos> && DemoSampler<RandomDemos>);

}  // namespace cloze
