// InContextDemos: demonstrations drawn from all examples alike, whatever their labels (GPT-3's way).
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <cloze/prompt/demos.hpp>

namespace cloze {

struct InContextDemosOptions {
  Index count = 32;                           // LM-BFF's number
  std::optional<float> score_threshold = {};  // regression: as RandomDemosOptions
};

/// `count` examples drawn uniformly without replacement, in the order drawn, each with its own label; not balanced.
/// The query itself is never among them. Brown et al.: "Language models are few-shot learners", NeurIPS 2020.
class InContextDemos {
 public:
  /// Keeps a view of `data`, which must live as long. Errors: [cloze.demos.1] an example without label (or score),
  /// [cloze.demos.2] fewer examples than `count`, or a count below 1.
  explicit InContextDemos(std::span<const Example> data, const InContextDemosOptions& options = {})
      : data_(data), count_(options.count), labels_(detail::demo_labels(data, options.score_threshold)) {
    require(count_ >= 1 && count_ <= static_cast<Index>(data.size()), "cloze.demos.2",
            "{} demonstrations of {} examples; wanted at least 1 and at most all", count_, data.size());
  }
  explicit InContextDemos(const std::vector<Example>& data, const InContextDemosOptions& options = {})
      : InContextDemos(std::span<const Example>(data.data(), data.size()), options) {}
  InContextDemos(std::vector<Example>&& data, const InContextDemosOptions& options = {}) = delete;  // it would dangle

  /// Throws [cloze.demos.3] where there are too few examples besides the query.
  std::vector<Demonstration> sample(const Example& query, Rng& rng) const {
    std::vector<Index> candidates;
    candidates.reserve(data_.size());
    for (std::size_t i = 0; i < data_.size(); ++i)
      if (!detail::is_query(data_[i], query)) candidates.push_back(static_cast<Index>(i));
    require(static_cast<Index>(candidates.size()) >= count_, "cloze.demos.3",
            "{}: there are {} examples besides the query, and {} are to be shown", describe(query), candidates.size(),
            count_);
    detail::draw_to_front(candidates, count_, rng);
    std::vector<Demonstration> demos;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count_); ++i) {
      const auto at = static_cast<std::size_t>(candidates[i]);
      demos.push_back({&data_[at], labels_[at]});
    }
    return demos;
  }

 private:
  std::span<const Example> data_;
  Index count_;
  std::vector<LabelId> labels_;  // [examples]
};

static_assert(DemoSampler<InContextDemos>);

}  // namespace cloze
