#include <cloze/train/clip.hpp>

#include <cmath>
#include <limits>

#include <cloze/train/adamw.hpp>
#include <cloze/train/require_finite.hpp>
#include <cloze/train/sgd.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"

using namespace cloze;

namespace {

template <Scalar T, Device D>
struct Model {
  Tensor<T, D> matrix = test::tensor<T, D>({37, 501}), table = test::tensor<T, D>({50, 9}),
               unused = test::tensor<T, D>({3});
  ParameterList<T, D> list;

  explicit Model(double factor = 1) {
    for (auto* tensor : {&matrix, &table, &unused}) tensor->requires_grad(true);
    list = ParameterList<T, D>({{"matrix", matrix, true}, {"table", table, true}, {"unused", unused, true}});
    const auto values = test::numbers(37 * 501, 3);
    T* dense = matrix.gradient().dense(37, 501).data;
    for (std::size_t i = 0; i < values.size(); ++i) dense[i] = static_cast<T>(values[i] * factor);
    std::vector<Index> slots;
    const std::vector<Index> ids{4, 40, 4, 7};
    T* rows = table.gradient().rows(ids, 9, slots).data;
    for (std::size_t i = 0; i < ids.size(); ++i)
      for (Index c = 0; c < 9; ++c)
        rows[slots[i] * 9 + c] += static_cast<T>(values[i * 9 + static_cast<std::size_t>(c)] * factor);
  }
  // By definition, from the gradients spread out.
  double norm() const {
    long double sum = 0;
    for (const auto* tensor : {&matrix, &table})
      for (const T x : tensor->grad().to_vector()) sum += static_cast<long double>(x) * x;
    return static_cast<double>(std::sqrt(sum));
  }
};

template <Scalar T, Device D>
void clips(double tolerance) {
  Model<T, D> model;
  const double norm = model.norm();
  REQUIRE(norm > 50);
  CHECK(grad_norm(model.list) == Approx(norm).epsilon(tolerance));
  const auto before = model.matrix.grad().to_vector();
  CHECK(clip_grad_norm(model.list, 1000.0) == Approx(norm).epsilon(tolerance));
  CHECK(model.matrix.grad().to_vector() == before);  // already small enough: not touched
  CHECK(clip_grad_norm(model.list, 1.5) == Approx(norm).epsilon(tolerance));
  CHECK(model.norm() == Approx(1.5 * norm / (norm + 1e-6)).epsilon(10 * tolerance));
  CHECK(model.table.has_row_sparse_grad());
  CHECK(model.matrix.grad().to_vector()[5] == Approx(before[5] * 1.5 / (norm + 1e-6)).epsilon(10 * tolerance));
  CHECK_FALSE(model.unused.has_grad());
}

}  // namespace

TEST_CASE("clipping scales dense and row-sparse gradients to the norm asked for") {
  clips<double, Cpu>(1e-14);
  clips<double, Reference>(1e-13);
  clips<float, Cpu>(1e-6);
  clips<float, Reference>(1e-6);
}

namespace {

/// Weights after some steps, clipped in the gradients or in the step.
template <class Optimizer, class Options>
std::vector<std::vector<float>> stepped(bool in_step, Options options) {
  Model<float, Cpu> model;
  Optimizer optimizer(model.list, options);
  for (int step = 0; step < 3; ++step) {
    if (step > 0) {  // zero_grad() and fresh gradients: only of the matrix, so that the table's rows go on without one
      optimizer.zero_grad();
      const auto values = test::numbers(37 * 501, 5 + step);
      float* dense = model.matrix.gradient().dense(37, 501).data;
      for (std::size_t i = 0; i < values.size(); ++i) dense[i] = static_cast<float>(values[i]);
    }
    if (in_step) {
      optimizer.step(clip_factor(model.list, 1.5).factor);
    } else {
      clip_grad_norm(model.list, 1.5);
      optimizer.step();
    }
  }
  return {model.matrix.to_vector(), model.table.to_vector()};
}

}  // namespace

TEST_CASE("clipping in the step gives the same bits as clipping the gradients before it") {
  const AdamWOptions adamw{.lr = 0.01, .weight_decay = 0.1};
  CHECK(stepped<AdamW<float>>(true, adamw) == stepped<AdamW<float>>(false, adamw));
  const SgdOptions sgd{.lr = 0.01, .momentum = 0.9, .weight_decay = 0.1};
  CHECK(stepped<SGD<float>>(true, sgd) == stepped<SGD<float>>(false, sgd));
  Model<float, Cpu> model;
  SGD<float> optimizer(model.list, sgd);
  REQUIRE_ERROR(optimizer.step(HUGE_VAL), "cloze.optimizer.2");
  CHECK(clip_factor(model.list, 1e6).factor == 1);
}

TEST_CASE("the norm of float gradients does not overflow where its square would") {
  Model<float, Cpu> model(1e25);
  CHECK(grad_norm(model.list) == Approx(model.norm()).epsilon(1e-6));
  clip_grad_norm(model.list, 1.0);
  CHECK(model.norm() == Approx(1.0).epsilon(1e-5));
}

TEST_CASE("a list without gradients has the norm zero") {
  ParameterList<float> list;
  CHECK(grad_norm(list) == 0);
  list.push_back({"a", Tensor<float>::zeros({0, 3}), true});
  CHECK(clip_grad_norm(list, 1.0) == 0);
}

TEST_CASE("a norm that is not finite is an error that names the parameter, or is reported and changes nothing") {
  for (const double bad : {std::nan(""), HUGE_VAL}) {
    Model<double, Cpu> model;
    const std::vector<Index> ids{4};
    std::vector<Index> slots;
    model.table.gradient().rows(ids, 9, slots).data[0] = bad;
    const auto before = model.matrix.grad().to_vector();
    CHECK_FALSE(std::isfinite(clip_grad_norm(model.list, 1.0, NonFinite::report)));
    CHECK(model.matrix.grad().to_vector() == before);
    REQUIRE_ERROR(clip_grad_norm(model.list, 1.0), "cloze.clip.1");
    try {
      clip_grad_norm(model.list, 1.0);
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find("\"table\"") != std::string::npos);
    }
  }
  Model<double, Cpu> model;
  for (const double bad : {0.0, -1.0, std::nan("")}) REQUIRE_ERROR(clip_grad_norm(model.list, bad), "cloze.clip.2");
}

TEST_CASE("a loss that is no number stops the run and names the step") {
  CHECK_NOTHROW(require_finite(0.5, 3));
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) REQUIRE_ERROR(require_finite(bad, 7), "cloze.train.1");
  try {
    require_finite(std::nan(""), 1234);
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("1234") != std::string::npos);
  }
}
