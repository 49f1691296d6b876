// A list of steps that are chosen at run time by tokenizer.json: what normalizers, pre-tokenizers and decoders share.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cloze::detail::text {

/// Owns the steps. Step is an abstract class with
///   std::string describe() const;  // all that decides what the step does, as text
template <class Step>
class StepList {
 public:
  template <class S>
  void add(S step) {
    steps_.push_back(std::unique_ptr<const Step>(new S(std::move(step))));
  }

  /// Whether one of the steps is an S.
  template <class S>
  bool has() const {
    for (const auto& step : steps_) {
      if (dynamic_cast<const S*>(step.get()) != nullptr) return true;
    }
    return false;
  }

  /// All that decides what the steps do, as text (for the content hash).
  std::string describe() const {
    std::string all;
    for (const auto& step : steps_) all.append(step->describe()) += ';';
    return all;
  }

 protected:
  std::vector<std::unique_ptr<const Step>> steps_;
};

}  // namespace cloze::detail::text
