#include <cloze/autograd/losses.hpp>

#include <filesystem>
#include <limits>

#include <cloze/core/json.hpp>
#include <cloze/core/parallel.hpp>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::relative_error;
using cloze::test::tensor;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

Reduction reduction_named(const std::string& name) {
  return name == "mean" ? Reduction::mean : name == "sum" ? Reduction::sum : Reduction::none;
}

template <Scalar T, Device D>
Tensor<T, D> read_tensor(const nlohmann::json& entry) {
  const auto extents = entry["shape"].get<std::vector<Index>>();
  const auto values = entry["values"].get<std::vector<double>>();
  return Tensor<T, D>::from(std::vector<T>(values.begin(), values.end()), Shape(extents));
}

/// The loss of one case of the golden file, by the name of PyTorch's function.
template <Scalar T, Device D>
Tensor<T, D> loss_of(const nlohmann::json& entry, const Tensor<T, D>& x, const Tensor<T, D>& target) {
  const std::string op = entry["op"], reduction = entry["reduction"];
  if (op == "mse") return mse(x, target, reduction_named(reduction));
  if (op == "bce_with_logits") return bce_with_logits(x, target, reduction_named(reduction));
  if (op == "kl_div")
    return kl_div(x, target,
                  reduction == "batchmean" ? KlReduction::batchmean
                  : reduction == "mean"    ? KlReduction::mean
                  : reduction == "sum"     ? KlReduction::sum
                                           : KlReduction::none);
  REQUIRE(op == "cross_entropy");
  const CrossEntropyOptions options{.ignore_index = entry.value("ignore_index", Index{-100}),
                                    .label_smoothing = entry["label_smoothing"],
                                    .reduction = reduction_named(reduction)};
  if (target.defined()) return cross_entropy(x, target, options);
  return cross_entropy(x, entry["labels"].get<std::vector<Index>>(), options);
}

/// Runs backward from Σ (i + 1) loss[i].
template <Scalar T, Device D>
void backward_weighted(const Tensor<T, D>& loss) {
  auto total = Tensor<T, D>::scalar(0);
  record_op(
      "weigh", total,
      [loss](OutputView<T>) {
        std::vector<T> weights(static_cast<std::size_t>(loss.size()));
        for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<T>(i + 1);
        copy_elements<Cpu, D>(weights.data(), grad_target(loss).data, loss.size());
      },
      loss);
  total.backward();
}

template <Scalar T, Device D>
void check_golden(double tolerance) {
  const auto golden = read_json(std::filesystem::path(__FILE__).parent_path() / "data" / "losses.json");
  std::size_t done = 0;
  for (const auto& entry : golden["cases"]) {
    INFO(entry.dump().substr(0, 200));
    auto x = read_tensor<T, D>(entry["x"]);
    auto target = entry.contains("target") ? read_tensor<T, D>(entry["target"]) : Tensor<T, D>();
    x.requires_grad(true);
    if (target.defined()) target.requires_grad(true);
    const auto loss = loss_of(entry, x, target);
    const auto wanted = read_tensor<double, Reference>(entry["loss"]);
    CHECK(loss.shape() == wanted.shape());
    CHECK(relative_error(loss.to_vector(), wanted.to_vector()) < tolerance);
    backward_weighted(loss);
    const auto check_gradient = [&](const std::vector<T>& found, const char* key) {
      const auto gradient = read_tensor<double, Reference>(entry[key]).to_vector();
      double worst = 0;
      for (std::size_t i = 0; i < gradient.size(); ++i)
        worst = std::max(worst,
                         std::abs(static_cast<double>(found[i]) - gradient[i]) / std::max(1.0, std::abs(gradient[i])));
      CHECK(worst < tolerance);
    };
    check_gradient(x.grad().to_vector(), "dx");
    if (target.defined()) check_gradient(target.grad().to_vector(), "dtarget");
    ++done;
  }
  CHECK(done > 100);
}

}  // namespace

TEMPLATE_TEST_CASE("losses and their gradients are PyTorch's in double", "", Cpu, Reference) {
  check_golden<double, TestType>(1e-12);
}

TEMPLATE_TEST_CASE("losses and their gradients are PyTorch's in float", "", Cpu, Reference) {
  check_golden<float, TestType>(4e-6);
}

TEMPLATE_TEST_CASE("losses pass the gradient check", "", Cpu, Reference) {
  using D = TestType;
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    for (const double smoothing : {0.0, 0.2}) {
      const CrossEntropyOptions options{.label_smoothing = smoothing, .reduction = reduction};
      for (const Index c : {1, 3, 16, 17, 65}) {
        const auto hard = [&](const auto& in) {
          return cross_entropy(in[0], std::vector<Index>{0, -100, c - 1}, options);
        };
        const auto soft = [&](const auto& in) { return cross_entropy(in[0], in[1], options); };
        CLOZE_GRADCHECK(D, hard, Shape{3, c});
        CLOZE_GRADCHECK(D, soft, Shape{3, c}, Shape{3, c});
      }
    }
    const auto bce = [&](const auto& in) { return bce_with_logits(in[0], in[1], reduction); };
    const auto square = [&](const auto& in) { return mse(in[0], in[1], reduction); };
    for (const Shape shape : {Shape{1}, Shape{3}, Shape{2, 16}, Shape{17}, Shape{5, 13}, Shape{2, 2, 3}}) {
      CLOZE_GRADCHECK(D, bce, shape, shape);
      CLOZE_GRADCHECK(D, square, shape, shape);
    }
  }
}

TEMPLATE_TEST_CASE("the divergence passes the gradient check", "", Cpu, Reference) {
  using D = TestType;
  for (const KlReduction reduction : {KlReduction::batchmean, KlReduction::mean, KlReduction::sum, KlReduction::none}) {
    for (const Shape shape : {Shape{1}, Shape{3}, Shape{2, 16}, Shape{3, 17}}) {
      auto x = tensor<double, D>(shape, 1);
      auto t = Tensor<double, D>::empty(shape);
      std::vector<double> positive;
      for (const double v : test::numbers(shape.size(), 2)) positive.push_back(0.2 + v * v);
      t = Tensor<double, D>::from(positive, shape);
      const auto report = gradcheck<D>([&](const auto& in) { return kl_div(in[0], in[1], reduction); }, {x, t});
      INFO(report.message);
      CHECK(report.ok);
    }
  }
}

TEMPLATE_TEST_CASE("a loss of nothing is zero where it is a sum, and an error where it is a mean", "", Cpu, Reference) {
  using D = TestType;
  const auto empty = Tensor<float, D>::empty({0, 3});
  const std::vector<Index> none, ignored{-100, -100};
  CHECK(cross_entropy(empty, none, {.reduction = Reduction::sum}).item() == 0);
  CHECK(cross_entropy(empty, none, {.reduction = Reduction::none}).shape() == Shape{0});
  REQUIRE_ERROR(cross_entropy(empty, none), "cloze.losses.4");
  REQUIRE_ERROR(cross_entropy(empty, empty), "cloze.losses.4");
  auto logits = tensor<float, D>({2, 3});
  logits.requires_grad(true);
  REQUIRE_ERROR(cross_entropy(logits, ignored), "cloze.losses.4");
  const auto loss = cross_entropy(logits, ignored, {.reduction = Reduction::sum});
  CHECK(loss.item() == 0);
  loss.backward();
  CHECK(logits.grad().to_vector() == std::vector<float>(6, 0.f));
  REQUIRE_ERROR(mse(empty, empty), "cloze.losses.4");
  REQUIRE_ERROR(bce_with_logits(empty, empty), "cloze.losses.4");
  REQUIRE_ERROR(kl_div(empty, empty), "cloze.losses.4");
  CHECK(mse(empty, empty, Reduction::sum).item() == 0);
  CHECK(kl_div(empty, empty, KlReduction::none).shape() == Shape{0, 3});
}

TEMPLATE_TEST_CASE("cross entropy of an impossible class is inf, of a row without any possible class too", "", Cpu,
                   Reference) {
  using D = TestType;
  for (const double smoothing : {0.0, 0.1}) {
    auto logits = Tensor<double, D>::from({0, -inf, 0, -inf, -inf, -inf, 1, 2, 3}, {3, 3});
    logits.requires_grad(true);
    const auto loss = cross_entropy(logits, std::vector<Index>{0, 1, 2},
                                    {.label_smoothing = smoothing, .reduction = Reduction::none});
    const auto values = loss.to_vector();
    CHECK(values[0] == (smoothing == 0 ? Approx(std::log(2.0)) : Approx(inf)));
    CHECK(values[1] == inf);
    CHECK(std::isfinite(values[2]));
    backward_weighted(loss);
    const auto gradient = logits.grad().to_vector();
    CHECK(gradient[1] == Approx(-smoothing / 3).margin(1e-300));
    CHECK((gradient[3] == 0 && gradient[4] == 0 && gradient[5] == 0));
    CHECK(std::isfinite(gradient[8]));
  }
  // A target of zero on an impossible class costs nothing.
  const auto logits = Tensor<double, D>::from({0, -inf}, {1, 2}), target = Tensor<double, D>::from({1, 0}, {1, 2});
  CHECK(cross_entropy(logits, target).item() == 0);
  CHECK(kl_div(logits, target).item() == 0);
}

TEMPLATE_TEST_CASE("a certain outcome keeps its tiny loss in float", "", Cpu, Reference) {
  using D = TestType;
  const auto logits = Tensor<float, D>::from({20, 4}, {1, 2});
  CHECK(cross_entropy(logits, std::vector<Index>{0}).item() == Approx(std::log1p(std::exp(-16.0))).epsilon(0.1));
  CHECK(cross_entropy(logits, std::vector<Index>{0}).item() > 0);
}

TEMPLATE_TEST_CASE("binary cross entropy neither overflows nor loses small numbers", "", Cpu, Reference) {
  using D = TestType;
  const auto x = Tensor<float, D>::from({1e4f, -1e4f, 30, -30}, {4}), t = Tensor<float, D>::from({1, 0, 1, 1}, {4});
  const auto loss = bce_with_logits(x, t, Reduction::none).to_vector();
  CHECK(loss[0] == 0);
  CHECK(loss[1] == 0);
  CHECK(loss[2] == Approx(std::log1p(std::exp(-30.0))).epsilon(1e-5));
  CHECK(loss[3] == Approx(30));
}

TEST_CASE("losses in float agree with Reference in double over a whole vocabulary") {
  const Index n = 3, c = 50265;
  auto x = tensor<float, Cpu>({n, c}, 1);
  auto r = x.to<Reference, double>();
  x.requires_grad(true), r.requires_grad(true);
  const std::vector<Index> labels{0, 50264, 77};
  const auto loss = cross_entropy(x, labels, {.label_smoothing = 0.1});
  const auto wanted = cross_entropy(r, labels, {.label_smoothing = 0.1});
  CHECK(loss.item() == Approx(wanted.item()).epsilon(1e-6));
  loss.backward(), wanted.backward();
  CHECK(relative_error(x.grad().to_vector(), r.grad().to_vector()) < 1e-6);
}

TEST_CASE("losses give the same bits for any number of threads") {
  const auto run = [](int threads) {
    const int before = num_threads();
    set_num_threads(threads);
    auto x = tensor<float, Cpu>({301, 99}, 1), t = tensor<float, Cpu>({301, 99}, 2);
    x.requires_grad(true), t.requires_grad(true);
    std::vector<Index> labels(301);
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<Index>(i % 99);
    std::vector<float> all;
    const auto keep = [&](const Tensor<float>& loss) {
      loss.backward();
      all.push_back(loss.item());
      const auto g = x.grad().to_vector();
      all.insert(all.end(), g.begin(), g.end());
    };
    keep(cross_entropy(x, labels, {.label_smoothing = 0.1}));
    keep(cross_entropy(x, t));
    keep(bce_with_logits(x, t));
    keep(mse(x, t));
    set_num_threads(before);
    return all;
  };
  CHECK(run(1) == run(2));
}

TEST_CASE("cross entropy takes the labels of a task, and its backward writes nothing but the gradient") {
  auto x = tensor<float, Cpu>({2, 3}), y = tensor<float, Cpu>({2, 3});
  x.requires_grad(true), y.requires_grad(true);
  const std::vector<LabelId> labels{LabelId{2}, LabelId{0}};
  const auto a = cross_entropy(x, labels), b = cross_entropy(y, std::vector<Index>{2, 0});
  CHECK(a.item() == b.item());
  a.backward(), b.backward();
  CHECK(x.grad().to_vector() == y.grad().to_vector());
}

TEST_CASE("losses name themselves where shapes, labels or options do not fit") {
  const auto x = tensor<float, Cpu>({2, 3});
  REQUIRE_ERROR(cross_entropy(x, std::vector<Index>{0}), "cloze.losses.1");
  REQUIRE_ERROR(cross_entropy(tensor<float, Cpu>({2}), std::vector<Index>{0, 0}), "cloze.losses.1");
  REQUIRE_ERROR(cross_entropy(x, tensor<float, Cpu>({3, 2})), "cloze.losses.1");
  REQUIRE_ERROR(cross_entropy(x, std::vector<Index>{0, 3}), "cloze.losses.2");
  REQUIRE_ERROR(cross_entropy(x, std::vector<Index>{0, -1}), "cloze.losses.2");
  REQUIRE_ERROR(cross_entropy(x, std::vector<Index>{0, std::numeric_limits<Index>::min()}), "cloze.losses.2");
  REQUIRE_ERROR(cross_entropy(Tensor<float>::empty({1, 0}), std::vector<Index>{0}), "cloze.losses.2");
  REQUIRE_ERROR(cross_entropy(x, std::vector<Index>{0, 1}, {.label_smoothing = 1.5}), "cloze.losses.3");
  REQUIRE_ERROR(cross_entropy(x, std::vector<Index>{0, 1}, {.label_smoothing = std::nan("")}), "cloze.losses.3");
  REQUIRE_ERROR(mse(x, tensor<float, Cpu>({3, 2})), "cloze.losses.5");
  REQUIRE_ERROR(bce_with_logits(x, tensor<float, Cpu>({6})), "cloze.losses.5");
  REQUIRE_ERROR(kl_div(x, tensor<float, Cpu>({3, 2})), "cloze.losses.5");
  REQUIRE_ERROR(mse(x, Tensor<float>()), "cloze.tensor.7");
}
