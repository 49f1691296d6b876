// AveragedDraws: a classifier whose label scores are means over several draws of demonstrations.
#pragma once

#include <span>
#include <utility>

#include <cloze/autograd/elementwise.hpp>
#include <cloze/methods/fine_tuning.hpp>

namespace cloze {

/// Wraps any classifier: it is trained as it is, with one draw a step, and answers with the mean of `draws` draws.
/// predict_draws does the same for one call; with this, fine_tune's choice on dev averages too, as LM-BFF's does.
template <FewShotClassifier C>
class AveragedDraws {
 public:
  using value_type = typename C::value_type;
  using device = typename C::device;

  /// Throws [cloze.method.4] where draws is below 1.
  AveragedDraws(C inner, Index draws) : inner_(std::move(inner)), draws_(draws) {
    require(draws >= 1, "cloze.method.4", "{} draws of demonstrations; wanted 1 or more", draws);
  }

  /// ->  [examples, labels]   Errors: the classifier's.
  Tensor<value_type, device> scores(std::span<const Example> examples, const ForwardContext& context,
                                    Rng& demo_rng) const {
    auto sum = inner_.scores(examples, context, demo_rng);
    for (Index draw = 1; draw < draws_; ++draw) sum = add(sum, inner_.scores(examples, context, demo_rng));
    return draws_ == 1 ? sum : scale(sum, static_cast<Compute<value_type>>(1.0 / static_cast<double>(draws_)));
  }

  Tensor<value_type, device> loss(std::span<const Example> examples, const ForwardContext& context,
                                  Rng& demo_rng) const {
    return inner_.loss(examples, context, demo_rng);
  }

  ParameterList<value_type, device> parameters() const { return inner_.parameters(); }
  const C& inner() const { return inner_; }

 private:
  C inner_;
  Index draws_;
};

}  // namespace cloze
