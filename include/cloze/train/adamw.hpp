// AdamW: adaptive moments with decoupled weight decay.
#pragma once

#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include <cloze/kernels/adamw.hpp>
#include <cloze/kernels/rescale.hpp>
#include <cloze/train/master_copy.hpp>
#include <cloze/train/moments.hpp>
#include <cloze/train/optimizer.hpp>

namespace cloze {

struct AdamWOptions {
  double lr = 1e-3;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;  // per step w *= 1 - lr * weight_decay, before the update
};

/// The rule, as PyTorch computes it (bias correction on the step size and on the second moment, eps outside the root):
/// Kingma, Ba: "Adam", 2015; Loshchilov, Hutter: "Decoupled weight decay regularization", 2019.
struct AdamWRule {
  using Options = AdamWOptions;

  template <Scalar T, Device D>
  struct State {
    Index step = 0;
    Moments<Compute<T>, D, 2> moments;
    MasterCopy<T, D> master;

    void save(CheckpointSink& sink, const std::string& key, const Shape& shape) const {
      sink.number(key + "/step", step);
      moments.save(sink, key, shape);
      master.save(sink, key);
    }
    std::function<void()> load(const CheckpointSource& source, const std::string& key, const Shape& shape) {
      const Index saved = source.number(key + "/step");
      source.require_that(saved >= 0, key + "/step", "wanted a step number", std::to_string(saved));
      return [this, saved, commit = moments.load(source, key, shape), copy = master.load(source, key, shape)] {
        step = saved;
        commit();
        copy();
      };
    }
  };

  static void check(const Options& options) {
    for (const double beta : options.betas)
      require(beta >= 0 && beta < 1, "cloze.optimizer.2", "beta = {}: wanted a number in [0, 1)", beta);
    require(std::isfinite(options.eps) && options.eps >= 0, "cloze.optimizer.2", "eps = {}: wanted a number >= 0",
            options.eps);
  }

  /// Dense gradients sweep over everything. Row-sparse ones cost only the rows ever touched, plus one multiplication
  /// per element where there is weight decay; the result is the dense one to the last bit.
  template <Scalar T, Device D>
  static void update(const Options& options, UpdateSettings settings, Tensor<T, D>& tensor, State<T, D>& state,
                     const Compute<T>* device_scale = nullptr) {
    ++state.step;
    const auto [beta1, beta2] = options.betas;
    const double t = static_cast<double>(state.step);
    const kernels::AdamWFactors<Compute<T>> factors{
        .keep = static_cast<Compute<T>>(1 - settings.lr * settings.weight_decay),
        .one_beta1 = static_cast<Compute<T>>(1 - beta1),
        .beta2 = static_cast<Compute<T>>(beta2),
        .one_beta2 = static_cast<Compute<T>>(1 - beta2),
        .step_size = static_cast<Compute<T>>(settings.lr / (1 - std::pow(beta1, t))),
        .root = static_cast<Compute<T>>(std::sqrt(1 - std::pow(beta2, t))),
        .eps = static_cast<Compute<T>>(options.eps),
        .grad_scale = static_cast<Compute<T>>(settings.grad_scale)};
    auto& moments = state.moments;
    if (!tensor.has_row_sparse_grad()) {
      moments.use_dense(tensor.shape());
      kernels::adamw(D{}, kernels::AdamWArgs<T>{.size = tensor.size(),
                                                .weight = tensor.data(),
                                                .grad = tensor.gradient().dense_data(),
                                                .m = moments.data(0),
                                                .v = moments.data(1),
                                                .factors = factors,
                                                .master = state.master.of(tensor),
                                                .device_scale = device_scale});
      return;
    }
    const auto touched = tensor.touched_rows();
    const Index table = tensor.dim(0), columns = tensor.size() / table;
    moments.touch(touched.rows, tensor.shape());
    kernels::adamw_rows(D{}, kernels::AdamWRowsArgs<T>{.count = static_cast<Index>(moments.rows().size()),
                                                       .columns = columns,
                                                       .rows = moments.rows().data(),
                                                       .grad_rows = moments.grad_rows().data(),
                                                       .weight = tensor.data(),
                                                       .grads = touched.values,
                                                       .m = moments.data(0),
                                                       .v = moments.data(1),
                                                       .factors = factors,
                                                       .master = state.master.of(tensor),
                                                       .device_scale = device_scale});
    if (factors.keep != 1)
      kernels::rescale_rows(D{}, kernels::RescaleRowsArgs<T>{.rows = table,
                                                             .columns = columns,
                                                             .slots = moments.slots().data(),
                                                             .x = tensor.data(),
                                                             .factor = factors.keep,
                                                             .master = state.master.of(tensor),
                                                             .device_scale = device_scale});
  }
};

/// `AdamW optimizer(model.parameters(), {.lr = 1e-5});`  Throws [cloze.optimizer.1], [cloze.optimizer.2]:
/// RuleOptimizer.
template <Scalar T, Device D = Cpu>
class AdamW : public RuleOptimizer<AdamWRule, T, D> {
 public:
  explicit AdamW(ParameterList<T, D> parameters, AdamWOptions options = {})
      : RuleOptimizer<AdamWRule, T, D>(std::move(parameters), options) {}
  explicit AdamW(std::vector<ParamGroup<T, D>> groups, AdamWOptions options = {})
      : RuleOptimizer<AdamWRule, T, D>(std::move(groups), options) {}
};

static_assert(Optimizer<AdamW<float>>);

}  // namespace cloze
