// The Optimizer concept, and RuleOptimizer: drives any update rule over groups of parameters.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>
#include <cloze/nn/parameter.hpp>
#include <cloze/train/checkpoint_parts.hpp>

namespace cloze {

/// What a training loop needs of an optimizer. Any class that has these works wherever AdamW does.
template <class O>
concept Optimizer = requires(O& optimizer, double lr) {
  optimizer.step();
  optimizer.zero_grad();
  optimizer.set_lr(lr);
};

/// Parameters that share settings.
template <Scalar T, Device D = Cpu>
struct ParamGroup {
  ParameterList<T, D> parameters;
  double lr_scale = 1;                 // times the optimizer's learning rate
  std::optional<double> weight_decay;  // instead of the optimizer's own; only where Parameter::decay is set, as always
};

/// The settings of one step for one parameter.
struct UpdateSettings {
  double lr;
  double weight_decay;
  double grad_scale;  // what gradients are multiplied by first
};

/// A rule: its options (a struct with at least `lr` and `weight_decay`), the state that it keeps for one parameter, and
/// one step. RuleOptimizer<Rule, T, D> makes an optimizer of it: see train/sgd.hpp for a short one.
///   struct Rule {
///     using Options = …;
///     template <Scalar T, Device D> struct State { save(sink, key, shape) const; load(source, key, shape); };
///     static void check(const Options&);           // throws where an option makes no sense
///     template <Scalar T, Device D>
///     static void update(const Options&, UpdateSettings, Tensor<T, D>& tensor, State<T, D>&);  // tensor has a
///     gradient
///   };
/// update() may take a `const Compute<T>* device_scale` as well, for step(tensor): kernels/device_scale.hpp.
template <class R, class T, class D>
concept UpdateRule = requires(const typename R::Options& options, UpdateSettings settings, Tensor<T, D>& tensor,
                              typename R::template State<T, D>& state, const typename R::template State<T, D>& kept,
                              CheckpointSink& sink, const CheckpointSource& source) {
  { options.lr } -> std::convertible_to<double>;
  { options.weight_decay } -> std::convertible_to<double>;
  R::check(options);
  R::update(options, settings, tensor, state);
  kept.save(sink, std::string(), tensor.shape());
  { state.load(source, std::string(), tensor.shape()) } -> std::convertible_to<std::function<void()>>;
};

/// Holds parameters and the rule's state for each. A parameter without a gradient is left alone, as in PyTorch.
template <class Rule, Scalar T, Device D>
class RuleOptimizer {
  static_assert(UpdateRule<Rule, T, D>, "the first argument must satisfy cloze::UpdateRule");

 public:
  using Options = typename Rule::Options;

  RuleOptimizer(ParameterList<T, D> parameters, Options options)
      : RuleOptimizer(std::vector<ParamGroup<T, D>>{{std::move(parameters), 1, std::nullopt}}, std::move(options)) {}

  /// Errors: [cloze.optimizer.1] a tensor that is in the lists twice, [cloze.optimizer.2] an option out of range.
  RuleOptimizer(std::vector<ParamGroup<T, D>> groups, Options options)
      : groups_(std::move(groups)), options_(std::move(options)), lr_(options_.lr) {
    check_rate(lr_, "lr");
    check_rate(options_.weight_decay, "weight_decay");
    Rule::check(options_);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const auto& group = groups_[g];
      check_rate(group.lr_scale, "lr_scale of a group");
      check_rate(group.weight_decay.value_or(0), "weight_decay of a group");
      for (std::size_t i = 0; i < group.parameters.size(); ++i)
        places_.push_back({group.parameters[i].tensor.shared_body().get(), g, i});
      states_.emplace_back(group.parameters.size());
    }
    std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) { return a.value < b.value; });
    const auto twice = std::ranges::adjacent_find(places_, std::equal_to{}, &Place::value);
    if (twice != places_.end())
      fail("cloze.optimizer.1", "parameter \"{}\" is given to the optimizer twice: it would be updated twice a step",
           groups_[twice->group].parameters[twice->index].name);
  }

  /// Updates every parameter that has a gradient, as if each gradient had been multiplied by `grad_scale` before: with
  /// clip_factor() that is clipping without a pass of its own over the gradients. Errors: [cloze.optimizer.2] a scale
  /// that is not finite.
  void step(double grad_scale = 1) {
    require(std::isfinite(grad_scale), "cloze.optimizer.2", "grad_scale = {}: wanted a finite number", grad_scale);
    each_update(grad_scale);
  }

  /// The same with a scale that lies on the device and that the host does not read: DeviceClip's factor. Where it is
  /// not finite, weights, moments and copies of weights stay as they are. For rules whose update() takes such a scale.
  /// Errors: [cloze.optimizer.4] a tensor of another size than 1.
  void step(const Tensor<Compute<T>, D>& grad_scale) requires
      requires(const Options& options, UpdateSettings settings, Tensor<T, D>& tensor,
               typename Rule::template State<T, D>& state, const Compute<T>* scale) {
    Rule::update(options, settings, tensor, state, scale);
  }
  {
    require(grad_scale.size() == 1, "cloze.optimizer.4", "the gradients' scale is a tensor {}: wanted one element",
            grad_scale.shape());
    each_update(1, grad_scale.data());
  }

  /// loss.backward(), step() and zero_grad() in one, to the same bits: each parameter is updated as soon as its
  /// gradient is complete, and the gradient's memory freed, so that there is never more than a layer's of it. There is
  /// no moment at which all gradients exist: they can neither be clipped by their common norm nor add up over several
  /// losses. Parameters outside this optimizer keep their gradients. Errors: those of backward(), and
  /// [cloze.optimizer.3] where a parameter has a gradient from before; if anything else is thrown on the way, some
  /// parameters are updated.
  void backward_and_step(const Tensor<T, D>& loss) {
    for (const auto& group : groups_)
      for (const auto& parameter : group.parameters)
        require(!parameter.tensor.has_grad(), "cloze.optimizer.3",
                "parameter \"{}\" has a gradient from before: gradients that add up need backward(), step() and "
                "zero_grad()",
                parameter.name);
    struct Updater final : LeafListener {
      explicit Updater(RuleOptimizer& o) : optimizer(o) {}
      void complete(TapeValue& leaf) override {
        const auto at = std::ranges::lower_bound(optimizer.places_, &leaf, std::less{}, &Place::value);
        if (at == optimizer.places_.end() || at->value != &leaf) return;
        optimizer.update(at->group, at->index, 1);
        leaf.release_gradient();
      }
      RuleOptimizer& optimizer;
    } updater(*this);
    loss.backward(&updater);
  }

  void zero_grad() {
    for (auto& group : groups_) group.parameters.zero_grad();
  }

  /// The learning rate from the next step on: `optimizer.set_lr(1e-5 * schedule(step))`.
  /// Errors: [cloze.optimizer.2] negative or not finite.
  void set_lr(double lr) {
    check_rate(lr, "lr");
    lr_ = lr;
  }
  double lr() const { return lr_; }
  const Options& options() const { return options_; }
  const std::vector<ParamGroup<T, D>>& groups() const { return groups_; }

  // For checkpoints.
  void save(CheckpointSink& sink) const {
    sink.real("lr", lr_);
    each([&](const std::string& key, const Parameter<T, D>& parameter, const State& state) {
      sink.text(key + "/name", parameter.name);
      state.save(sink, key, parameter.tensor.shape());
    });
  }
  std::function<void()> load(const CheckpointSource& source) {
    std::vector<std::function<void()>> commits;
    const double lr = source.real("lr");
    source.require_that(std::isfinite(lr) && lr >= 0, "lr", "wanted a learning rate", formatted("{}", lr));
    each([&](const std::string& key, const Parameter<T, D>& parameter, const State& state) {
      const std::string name = source.text(key + "/name");
      source.require_that(name == parameter.name, key + "/name", "wanted the state of \"" + parameter.name + "\"",
                          name);
      commits.push_back(const_cast<State&>(state).load(source, key, parameter.tensor.shape()));
    });
    return [this, lr, commits = std::move(commits)] {
      lr_ = lr;
      for (const auto& commit : commits) commit();
    };
  }

 private:
  using State = typename Rule::template State<T, D>;

  struct Place {  // of a parameter
    const TapeValue* value;
    std::size_t group, index;
  };

  template <class... DeviceScale>
  void each_update(double grad_scale, DeviceScale... device_scale) {
    for (std::size_t g = 0; g < groups_.size(); ++g)
      for (std::size_t i = 0; i < groups_[g].parameters.size(); ++i) update(g, i, grad_scale, device_scale...);
  }
  template <class... DeviceScale>
  void update(std::size_t g, std::size_t i, double grad_scale, DeviceScale... device_scale) {
    auto& group = groups_[g];
    auto& parameter = group.parameters[i];
    if (!parameter.tensor.requires_grad() || !parameter.tensor.has_grad()) return;
    const NoGrad no_grad;
    const double decay = parameter.decay ? group.weight_decay.value_or(options_.weight_decay) : 0.0;
    Rule::update(options_, UpdateSettings{lr_ * group.lr_scale, decay, grad_scale}, parameter.tensor, states_[g][i],
                 device_scale...);
  }

  static void check_rate(double value, const char* name) {
    require(std::isfinite(value) && value >= 0, "cloze.optimizer.2",
            "{} = {}: wanted a finite number that is not negative", name, value);
  }

  template <class F>
  void each(F&& f) const {
    for (std::size_t g = 0; g < groups_.size(); ++g)
      for (std::size_t i = 0; i < groups_[g].parameters.size(); ++i)
        f(formatted("{}.{}", g, i), groups_[g].parameters[i], states_[g][i]);
  }

  std::vector<ParamGroup<T, D>> groups_;
  Options options_;
  double lr_;
  std::vector<std::vector<State>> states_;
  std::vector<Place> places_;  // by value
};

}  // namespace cloze
