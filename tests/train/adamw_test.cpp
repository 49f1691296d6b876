#include <cloze/train/adamw.hpp>

#include <cmath>
#include <filesystem>

#include <cloze/train/schedule.hpp>
#include <cloze/train/sgd.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"

using namespace cloze;

namespace {

nlohmann::json golden() { return read_json(std::filesystem::path(__FILE__).parent_path() / "data" / "optim.json"); }

// The parameters and gradients of tests/golden/make_train.py.
template <Scalar T, Device D>
ParameterList<T, D> starts() {
  const auto exact = golden()["start"].get<std::vector<double>>();
  const std::vector<T> values(exact.begin(), exact.end());
  ParameterList<T, D> list;
  list.push_back({"matrix", Tensor<T, D>::from(std::span<const T>(values.data(), 15), {5, 3}), true});
  list.push_back({"vector", Tensor<T, D>::from(std::span<const T>(values.data() + 15, 7), {7}), true});
  for (auto& parameter : list) parameter.tensor.requires_grad(true);
  return list;
}

template <Scalar T, Device D>
void set_gradients(ParameterList<T, D>& list, int step) {
  int i = 0;
  for (auto& parameter : list) {
    T* to = parameter.tensor.gradient().dense(parameter.tensor.size(), 1).data;
    for (Index k = 0; k < parameter.tensor.size(); ++k, ++i)
      to[k] = static_cast<T>(i % 7 == 3 ? 0.0 : std::cos(0.7 * i * (step + 1)) * (i % 5 == 0 ? 1e-6 : 1.0));
  }
}

template <Scalar T, Device D>
std::vector<T> values_of(const ParameterList<T, D>& list) {
  std::vector<T> values;
  for (const auto& parameter : list) {
    const auto part = parameter.tensor.to_vector();
    values.insert(values.end(), part.begin(), part.end());
  }
  return values;
}

template <Scalar T, Device D, class Make>
double error_of(const char* name, Make make, std::function<double(Index)> lr = {}) {
  auto list = starts<T, D>();
  auto optimizer = make(list);
  for (int step = 0; step < 20; ++step) {
    if (lr) optimizer.set_lr(lr(step));
    set_gradients(list, step);
    optimizer.step();
    optimizer.zero_grad();
  }
  return test::relative_error(values_of(list), golden()[name].get<std::vector<double>>());
}

template <Scalar T, Device D>
ParameterList<T, D> only(const ParameterList<T, D>& list, const std::string& name) {
  return list.where([&](const auto& parameter) { return parameter.name == name; });
}

template <Scalar T, Device D>
void agrees_with_pytorch(double tolerance) {
  using List = ParameterList<T, D>;
  CHECK(error_of<T, D>("adamw_plain", [](List& l) { return AdamW(l, {.lr = 0.01}); }) <= tolerance);
  CHECK(error_of<T, D>("adamw_decay", [](List& l) {
          return AdamW(l, {.lr = 0.02, .betas = {0.8, 0.99}, .eps = 1e-6, .weight_decay = 0.1});
        }) <= tolerance);
  CHECK(error_of<T, D>("adamw_groups", [](List& l) {
          return AdamW(std::vector<ParamGroup<T, D>>{{only(l, "matrix"), 1, 0.3}, {only(l, "vector"), 5, 0.0}},
                       {.lr = 0.01});
        }) <= tolerance);
  CHECK(error_of<T, D>(
            "adamw_linear", [](List& l) { return AdamW(l, {.lr = 0.01, .weight_decay = 0.01}); },
            [](Index step) { return 0.01 * LinearSchedule{.total = 20}(step); }) <= tolerance);
  CHECK(error_of<T, D>("sgd_plain", [](List& l) { return SGD(l, {.lr = 0.1}); }) <= tolerance);
  CHECK(error_of<T, D>("sgd_momentum", [](List& l) {
          return SGD(l, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05});
        }) <= tolerance);
  CHECK(error_of<T, D>("sgd_dampening",
                       [](List& l) { return SGD(l, {.lr = 0.1, .momentum = 0.9, .dampening = 0.3}); }) <= tolerance);
  CHECK(error_of<T, D>("sgd_nesterov", [](List& l) {
          return SGD(l, {.lr = 0.1, .momentum = 0.8, .weight_decay = 0.01, .nesterov = true});
        }) <= tolerance);
}

// A table whose gradients touch rows {step % 3, 7, 7 + step}, once dense and once row-sparse.
template <Scalar T, Device D, class Make>
void sparse_equals_dense(Index columns, Make make) {
  const Index rows = 40;
  auto dense = test::tensor<T, D>({rows, columns}), sparse = dense.clone();
  dense.requires_grad(true);
  sparse.requires_grad(true);
  ParameterList<T, D> dense_list({{"table", dense, true}}), sparse_list({{"table", sparse, true}});
  auto dense_optimizer = make(dense_list);
  auto sparse_optimizer = make(sparse_list);
  for (int step = 0; step < 12; ++step) {
    const bool whole = step == 9;  // once, a dense gradient comes between the row-sparse ones
    const auto values = test::numbers(rows * columns, step + 2);
    std::vector<Index> ids, slots;
    for (const Index row : {step % 3, 7, 7 + step})
      if (std::ranges::find(ids, row) == ids.end()) ids.push_back(row);
    T* all = dense.gradient().dense(rows, columns).data;
    T* some = whole ? sparse.gradient().dense(rows, columns).data : sparse.gradient().rows(ids, columns, slots).data;
    for (Index i = 0; i < rows * columns; ++i)
      all[i] = whole ? static_cast<T>(values[static_cast<std::size_t>(i)]) : T(0);
    if (whole) std::copy_n(all, rows * columns, some);
    for (std::size_t i = 0; !whole && i < ids.size(); ++i)
      for (Index c = 0; c < columns; ++c) {
        const auto value = static_cast<T>(values[static_cast<std::size_t>(ids[i] * columns + c)]);
        all[ids[i] * columns + c] = value;
        some[slots[i] * columns + c] = value;
      }
    REQUIRE(sparse.has_row_sparse_grad() == !whole);
    dense_optimizer.step();
    sparse_optimizer.step();
    dense_optimizer.zero_grad();
    sparse_optimizer.zero_grad();
    REQUIRE(dense.to_vector() == sparse.to_vector());
  }
}

template <Scalar T, Device D>
void every_sparse_equals_dense() {
  using List = ParameterList<T, D>;
  for (const Index columns : {1, 3, 16, 33}) {
    sparse_equals_dense<T, D>(columns, [](List& l) { return AdamW(l, {.lr = 0.01}); });
    sparse_equals_dense<T, D>(columns, [](List& l) { return AdamW(l, {.lr = 0.01, .weight_decay = 0.2}); });
    sparse_equals_dense<T, D>(columns, [](List& l) { return SGD(l, {.lr = 0.1}); });
    sparse_equals_dense<T, D>(columns, [](List& l) { return SGD(l, {.lr = 0.1, .weight_decay = 0.3}); });
    sparse_equals_dense<T, D>(columns, [](List& l) { return SGD(l, {.lr = 0.1, .momentum = 0.9}); });
    sparse_equals_dense<T, D>(
        columns, [](List& l) { return SGD(l, {.lr = 0.1, .momentum = 0.9, .dampening = 0.5, .weight_decay = 0.1}); });
    sparse_equals_dense<T, D>(columns, [](List& l) { return SGD(l, {.lr = 0.1, .momentum = 0.9, .nesterov = true}); });
  }
}

}  // namespace

TEST_CASE("twenty steps of AdamW and SGD agree with PyTorch, in double and in float, on both devices") {
  agrees_with_pytorch<double, Cpu>(1e-15);
  agrees_with_pytorch<double, Reference>(1e-15);
  agrees_with_pytorch<float, Cpu>(1e-6);
  agrees_with_pytorch<float, Reference>(1e-6);
}

TEST_CASE("row-sparse gradients give the dense update to the last bit") {
  every_sparse_equals_dense<double, Cpu>();
  every_sparse_equals_dense<float, Cpu>();
  every_sparse_equals_dense<double, Reference>();
}

TEST_CASE("the number of threads changes no bit of an update") {
  const auto run = [](int threads) {
    set_num_threads(threads);
    auto tensor = test::tensor<float, Cpu>({300, 257});
    tensor.requires_grad(true);
    AdamW optimizer(ParameterList<float, Cpu>({{"w", tensor, true}}), {.lr = 0.1, .weight_decay = 0.01});
    for (int step = 0; step < 3; ++step) {
      float* to = tensor.gradient().dense(300, 257).data;
      const auto values = test::numbers(300 * 257, step);
      std::copy(values.begin(), values.end(), to);
      optimizer.step();
      optimizer.zero_grad();
    }
    return tensor.to_vector();
  };
  const int before = num_threads();
  const auto one = run(1);
  const bool equal = run(2) == one && run(7) == one;
  set_num_threads(before);
  CHECK(equal);
}

TEST_CASE("weight decay spares parameters that are marked so, and parameters without a gradient are left alone") {
  auto list = starts<double, Cpu>();
  list[1].decay = false;
  const auto before = values_of(list);
  AdamW optimizer(list, {.lr = 0.5, .weight_decay = 0.1});
  optimizer.step();
  CHECK(values_of(list) == before);
  for (auto& parameter : list)
    std::fill_n(parameter.tensor.gradient().dense(parameter.tensor.size(), 1).data, parameter.tensor.size(), 0.0);
  list[0].tensor.requires_grad(true);
  optimizer.step();
  const auto after = values_of(list);
  for (std::size_t i = 0; i < after.size(); ++i)
    CHECK(after[i] == (i < 15 ? Approx(before[i] * 0.95).epsilon(1e-14) : Approx(before[i]).epsilon(0)));
  list[0].tensor.requires_grad(false);  // frozen since: its gradient is stale
  list[1].tensor.requires_grad(false);
  optimizer.step();
  CHECK(values_of(list) == after);
}

TEST_CASE("settings that make no sense and a parameter given twice are refused") {
  auto list = starts<double, Cpu>();
  for (const double bad : {-1.0, std::nan(""), HUGE_VAL}) {
    REQUIRE_ERROR(AdamW(list, {.lr = bad}), "cloze.optimizer.2");
    REQUIRE_ERROR(AdamW(list, {.weight_decay = bad}), "cloze.optimizer.2");
    REQUIRE_ERROR(AdamW(list, {.eps = bad}), "cloze.optimizer.2");
    REQUIRE_ERROR(AdamW(list, {.betas = {bad, 0.9}}), "cloze.optimizer.2");
    REQUIRE_ERROR(SGD(list, {.momentum = bad}), "cloze.optimizer.2");
    REQUIRE_ERROR(AdamW(std::vector<ParamGroup<double>>{{list, bad, {}}}), "cloze.optimizer.2");
    AdamW good(list);
    REQUIRE_ERROR(good.set_lr(bad), "cloze.optimizer.2");
  }
  REQUIRE_ERROR(AdamW(list, {.betas = {0.9, 1.0}}), "cloze.optimizer.2");
  REQUIRE_ERROR(SGD(list, {.nesterov = true}), "cloze.optimizer.2");
  REQUIRE_ERROR(SGD(list, {.dampening = HUGE_VAL}), "cloze.optimizer.2");
  list.push_back(list[0]);
  REQUIRE_ERROR(AdamW(list), "cloze.optimizer.1");
}
