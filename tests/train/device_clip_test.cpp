#include <cloze/train/device_clip.hpp>

#include <cmath>

#include <cloze/train/adamw.hpp>
#include <cloze/train/sgd.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"

using namespace cloze;

namespace {

template <Scalar T, Device D>
struct Model {
  Tensor<T, D> matrix = test::tensor<T, D>({7, 41}), table = test::tensor<T, D>({50, 9}),
               unused = test::tensor<T, D>({3});
  ParameterList<T, D> list;

  Model() {
    for (auto* tensor : {&matrix, &table, &unused}) tensor->requires_grad(true);
    list = ParameterList<T, D>({{"matrix", matrix, true}, {"table", table, true}, {"unused", unused, true}});
  }
  void gradients(int seed, double factor, double first = 0.5) {
    list.zero_grad();
    auto values = test::numbers(7 * 41, seed);
    values[0] = first;
    T* dense = matrix.gradient().dense(7, 41).data;
    for (std::size_t i = 0; i < values.size(); ++i) dense[i] = static_cast<T>(values[i] * factor);
    std::vector<Index> slots;
    const std::vector<Index> ids{4, 40, 7};
    T* rows = table.gradient().rows(ids, 9, slots).data;
    for (std::size_t i = 0; i < 27; ++i) rows[i] = static_cast<T>(values[i + 1] * factor);
  }
  std::vector<std::vector<T>> weights() const { return {matrix.to_vector(), table.to_vector(), unused.to_vector()}; }
};

/// Weights after some steps, clipped by a factor on the host or on the device; some norms are below max_norm.
template <template <class, class> class Optimizer, class T, class D, class Options>
std::vector<std::vector<T>> stepped(bool on_device, Options options) {
  Model<T, D> model;
  Optimizer<T, D> optimizer(model.list, options);
  DeviceClip clip(model.list, 1.5);
  for (const double factor : {1.0, 0.001, 30.0}) {
    model.gradients(3 + static_cast<int>(factor), factor);
    if (on_device) {
      optimizer.step(clip.factor());
      CHECK(clip.norm() == grad_norm(model.list));
    } else {
      optimizer.step(clip_factor(model.list, 1.5).factor);
    }
  }
  CHECK(clip.skipped() == 0);
  return model.weights();
}

template <template <class, class> class Optimizer, class T, class D, class Options>
void same_as_host(Options options) {
  CHECK(stepped<Optimizer, T, D>(true, options) == stepped<Optimizer, T, D>(false, options));
}

template <template <class, class> class Optimizer, class T, class D, class Options>
void skips(Options options) {
  for (const double bad : {std::nan(""), HUGE_VAL}) {
    Model<T, D> model, other;
    Optimizer<T, D> optimizer(model.list, options);
    DeviceClip clip(model.list, 1.0);
    model.gradients(3, 1);
    optimizer.step(clip.factor());
    const auto before = model.weights();
    model.gradients(4, 1, bad);
    optimizer.step(clip.factor());
    CHECK(model.weights() == before);
    CHECK_FALSE(std::isfinite(clip.norm()));
    CHECK(clip.skipped() == 1);
    model.gradients(5, 1);
    optimizer.step(clip.factor());
    CHECK(model.weights() != before);
    CHECK(clip.skipped() == 1);
    for (const auto& weights : model.weights())
      for (const T weight : weights) CHECK(std::isfinite(weight));  // moments are no NaN either
  }
}

}  // namespace

TEMPLATE_TEST_CASE("a step clipped on the device gives the bits of one clipped by the host", "", Cpu, Reference) {
  const AdamWOptions adamw{.lr = 0.01, .weight_decay = 0.1};
  same_as_host<AdamW, float, TestType>(adamw);
  same_as_host<AdamW, double, TestType>(adamw);
  same_as_host<SGD, float, TestType>(SgdOptions{.lr = 0.01, .momentum = 0.9, .weight_decay = 0.1});
  same_as_host<SGD, double, TestType>(SgdOptions{.lr = 0.01});
}

TEMPLATE_TEST_CASE("gradients that are not finite leave weights and moments as they are, and are counted", "", Cpu,
                   Reference) {
  skips<AdamW, float, TestType>(AdamWOptions{.lr = 0.01, .weight_decay = 0.1});
  skips<SGD, double, TestType>(SgdOptions{.lr = 0.01, .momentum = 0.9, .weight_decay = 0.1});
  skips<SGD, float, TestType>(SgdOptions{.lr = 0.01});
}

TEST_CASE("what cannot be clipped by or with is an error") {
  Model<float, Cpu> model;
  for (const double bad : {0.0, -1.0, std::nan("")}) REQUIRE_ERROR(DeviceClip(model.list, bad), "cloze.clip.2");
  AdamW<float> optimizer(model.list);
  REQUIRE_ERROR(optimizer.step(Tensor<float>::zeros({2})), "cloze.optimizer.4");
  DeviceClip clip(model.list, 1.0);
  CHECK(clip.norm() == 0);
  CHECK(clip.factor().item() == 1);  // no gradients
}
