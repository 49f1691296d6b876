// SGD: stochastic gradient descent, with momentum (classic or Nesterov's) and classic weight decay.
#pragma once

#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <cloze/kernels/sgd.hpp>
#include <cloze/train/master_copy.hpp>
#include <cloze/train/moments.hpp>
#include <cloze/train/optimizer.hpp>

namespace cloze {

struct SgdOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;  // added to the gradient, times the weight
  bool nesterov = false;    // needs momentum > 0 and dampening 0
};

/// The rule, as PyTorch computes it (Sutskever et al.: "On the importance of initialization and momentum", 2013).
struct SgdRule {
  using Options = SgdOptions;

  template <Scalar T, Device D>
  struct State {
    bool begun = false;
    Moments<Compute<T>, D, 1> moments;
    MasterCopy<T, D> master;

    void save(CheckpointSink& sink, const std::string& key, const Shape& shape) const {
      sink.number(key + "/begun", begun ? 1 : 0);
      moments.save(sink, key, shape);
      master.save(sink, key);
    }
    std::function<void()> load(const CheckpointSource& source, const std::string& key, const Shape& shape) {
      const Index saved = source.number(key + "/begun");
      source.require_that(saved == 0 || saved == 1, key + "/begun", "wanted 0 or 1", std::to_string(saved));
      return [this, saved, commit = moments.load(source, key, shape), copy = master.load(source, key, shape)] {
        begun = saved == 1;
        commit();
        copy();
      };
    }
  };

  static void check(const Options& options) {
    require(std::isfinite(options.momentum) && options.momentum >= 0, "cloze.optimizer.2",
            "momentum = {}: wanted a number >= 0", options.momentum);
    require(std::isfinite(options.dampening), "cloze.optimizer.2", "dampening = {}: wanted a finite number",
            options.dampening);
    require(!options.nesterov || (options.momentum > 0 && options.dampening == 0), "cloze.optimizer.2",
            "nesterov needs momentum > 0 and dampening 0, found {} and {}", options.momentum, options.dampening);
  }

  template <Scalar T, Device D>
  static void update(const Options& options, UpdateSettings settings, Tensor<T, D>& tensor, State<T, D>& state,
                     const Compute<T>* device_scale = nullptr) {
    const kernels::SgdFactors<Compute<T>> factors{
        .lr = static_cast<Compute<T>>(settings.lr),
        .weight_decay = static_cast<Compute<T>>(settings.weight_decay),
        .momentum = static_cast<Compute<T>>(options.momentum),
        .fresh = static_cast<Compute<T>>(state.begun ? 1 - options.dampening : 1.0),
        .nesterov = options.nesterov,
        .grad_scale = static_cast<Compute<T>>(settings.grad_scale)};
    state.begun = true;
    const bool remembers = options.momentum != 0;
    auto& moments = state.moments;
    if (!tensor.has_row_sparse_grad()) {
      if (remembers) moments.use_dense(tensor.shape());
      kernels::sgd(D{}, kernels::SgdArgs<T>{.size = tensor.size(),
                                            .weight = tensor.data(),
                                            .grad = tensor.gradient().dense_data(),
                                            .momentum = remembers ? moments.data(0) : nullptr,
                                            .factors = factors,
                                            .master = state.master.of(tensor),
                                            .device_scale = device_scale});
      return;
    }
    // Classic weight decay is part of the gradient, so with it every row has one.
    const auto touched = tensor.touched_rows();
    if (remembers && settings.weight_decay != 0) moments.use_dense(tensor.shape());
    std::vector<Index> rows, grad_rows;
    if (!remembers) {
      rows.assign(touched.rows.begin(), touched.rows.end());
      grad_rows.resize(rows.size());
      std::iota(grad_rows.begin(), grad_rows.end(), Index{0});
      if (settings.weight_decay != 0) {
        std::vector<std::uint8_t> has(static_cast<std::size_t>(tensor.dim(0)));
        for (const Index row : rows) has[static_cast<std::size_t>(row)] = 1;
        for (Index row = 0; row < tensor.dim(0); ++row)
          if (has[static_cast<std::size_t>(row)] == 0) rows.push_back(row);
        grad_rows.resize(rows.size(), -1);
      }
    } else {
      moments.touch(touched.rows, tensor.shape());
    }
    const std::span<const Index> which = remembers ? moments.rows() : rows;
    const std::span<const Index> from = remembers ? moments.grad_rows() : grad_rows;
    kernels::sgd_rows(D{}, kernels::SgdRowsArgs<T>{.count = static_cast<Index>(which.size()),
                                                   .columns = tensor.size() / tensor.dim(0),
                                                   .rows = which.data(),
                                                   .grad_rows = from.data(),
                                                   .weight = tensor.data(),
                                                   .grads = touched.values,
                                                   .momentum = remembers ? moments.data(0) : nullptr,
                                                   .factors = factors,
                                                   .master = state.master.of(tensor),
                                                   .device_scale = device_scale});
  }
};

/// `SGD optimizer(model.parameters(), {.lr = 0.1, .momentum = 0.9});`  Throws [cloze.optimizer.1], [cloze.optimizer.2].
template <Scalar T, Device D = Cpu>
class SGD : public RuleOptimizer<SgdRule, T, D> {
 public:
  explicit SGD(ParameterList<T, D> parameters, SgdOptions options = {})
      : RuleOptimizer<SgdRule, T, D>(std::move(parameters), options) {}
  explicit SGD(std::vector<ParamGroup<T, D>> groups, SgdOptions options = {})
      : RuleOptimizer<SgdRule, T, D>(std::move(groups), options) {}
};

static_assert(Optimizer<SGD<float>>);

}  // namespace cloze
