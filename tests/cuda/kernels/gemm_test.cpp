#include <cloze/kernels/gemm.hpp>
#include <cloze/kernels/linear.hpp>

#include "cuda/kernels/devices.hpp"

using namespace cloze;
using namespace cloze::kernels;
using cloze::test::largest_error;
using cloze::test::Numbers;
using cloze::test::results_on;

namespace {

/// gemm with row strides wider than the rows; what lies between them must stay.
struct Product {
  Index m, n, k;
  bool transpose_a, transpose_b, add;

  template <class P>
  void operator()(P& place) const {
    using T = typename P::Element;
    const Index lda = (transpose_a ? m : k) + 3, ldb = (transpose_b ? k : n) + 1, ldc = n + 2;
    const T* a = place.in(cloze::test::numbers((transpose_a ? k : m) * lda, 1, 0.25));
    const T* b = place.in(cloze::test::numbers((transpose_b ? n : k) * ldb, 2, 0.25));
    T* c = place.changed(cloze::test::numbers(m * ldc, 3));
    gemm(typename P::Device{}, GemmArgs<T>{m, n, k, a, lda, transpose_a, b, ldb, transpose_b, c, ldc, add});
  }
};

struct Layer {
  Index rows, in, out;
  bool bias;
  Activation activation;

  template <class P>
  void operator()(P& place) const {
    using T = typename P::Element;
    const T* x = place.in(cloze::test::numbers(rows * in, 1, 0.25));
    const T* weight = place.in(cloze::test::numbers(out * in, 2, 0.25));
    const T* b = bias ? place.in(cloze::test::numbers(out, 3)) : nullptr;
    T* before = place.out(rows * out);
    T* y = activation == Activation::none ? before : place.out(rows * out);
    linear_forward(typename P::Device{}, LinearArgs<T>{rows, in, out, x, weight, b, activation, before, y});
  }
};

struct WeightGradient {
  Index rows, in, out;
  bool weight, bias, add_weight, add_bias;

  template <class P>
  void operator()(P& place) const {
    using T = typename P::Element;
    const T* x = place.in(cloze::test::numbers(rows * in, 1, 0.25));
    const T* dy = place.in(cloze::test::numbers(rows * out, 2, 0.25));
    const GradTarget<T> none{}, dweight = weight ? place.target(out * in, add_weight) : none;
    const GradTarget<T> dbias = bias ? place.target(out, add_bias) : none;
    linear_weight_backward(typename P::Device{}, LinearWeightGradArgs<T>{rows, in, out, x, dy, dweight, dbias});
  }
};

template <class T>
double error_of(const auto& run, Index shift = 0) {
  return largest_error(results_on<Cuda, T>(run, shift), results_on<Reference, double>(run));
}

}  // namespace

TEST_CASE("gemm on Cuda is gemm on Reference, in every orientation, with any strides, written or added", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Index sizes[] = {1, 2, 3, 15, 16, 17, 63, 64, 65};
  int round = 0;
  for (const Index m : sizes)
    for (const Index n : sizes) {
      const Index k = sizes[(round * 5 + 3) % 9];
      const Product product{m, n, k, round % 3 == 1, round % 3 == 2, round % 2 == 0};
      const Index shift = round % 4;  // unaligned operands too
      ++round;
      INFO(m << " " << n << " " << k << " " << product.transpose_a << product.transpose_b << product.add);
      CHECK(error_of<double>(product, shift) < 1e-14);
      CHECK(error_of<float>(product, shift) < 2e-6);
      CHECK(error_of<BFloat16>(product, shift) < 0.01);
      CHECK(error_of<Float16>(product, shift) < 0.002);
    }
}

TEST_CASE("an inner extent of nothing leaves zeros, or what was there; no rows or columns are nothing to do",
          "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const bool add : {false, true}) {
    CHECK(error_of<float>(Product{5, 7, 0, false, true, add}) == 0);
    CHECK(error_of<float>(Product{0, 7, 3, false, true, add}) == 0);
    CHECK(error_of<float>(Product{5, 0, 3, false, true, add}) == 0);
  }
}

TEST_CASE("TF32 is off until it is asked for, and changes float products only", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Product product{64, 64, 512, false, true, false};
  const auto exact = results_on<Cuda, float>(product);
  cloze::cuda::use_tf32(true);
  const auto rounded = results_on<Cuda, float>(product);
  const auto wide = error_of<double>(product);
  cloze::cuda::use_tf32(false);
  CHECK(largest_error(results_on<Cuda, float>(product), exact) == 0);
  CHECK(largest_error(rounded, exact) < 2e-3);
  CHECK(wide < 1e-14);
}

TEST_CASE("a linear layer on Cuda is a product, a bias and an activation", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const auto activation : {Activation::none, Activation::gelu, Activation::gelu_tanh, Activation::tanh})
    for (const bool bias : {false, true})
      for (const auto& [rows, in, out] :
           {std::array<Index, 3>{1, 1, 1}, {3, 16, 17}, {33, 64, 48}, {0, 4, 4}, {4, 0, 5}}) {
        const Layer layer{rows, in, out, bias, activation};
        INFO(rows << " " << in << " " << out << " " << bias << " " << static_cast<int>(activation));
        CHECK(error_of<double>(layer) < 1e-13);
        CHECK(error_of<float>(layer, rows % 2) < 2e-6);
        CHECK(error_of<BFloat16>(layer) < 0.02);
      }
}

TEST_CASE("a linear layer's weight and bias have their gradients on Cuda, written or added, both or one", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  for (const auto& [rows, in, out] :
       {std::array<Index, 3>{1, 1, 1}, {3, 16, 17}, {70, 64, 48}, {0, 4, 4}, {4, 0, 5}, {5, 8, 16}})
    for (int kind = 0; kind < 16; ++kind) {
      const WeightGradient gradient{rows, in, out, (kind & 1) != 0, (kind & 2) != 0, (kind & 4) != 0, (kind & 8) != 0};
      INFO(rows << " " << in << " " << out << " " << kind);
      CHECK(error_of<double>(gradient) < 1e-13);
      CHECK(error_of<float>(gradient, kind % 2) < 4e-6);
      CHECK(error_of<BFloat16>(gradient) < 0.02);
    }
}

TEST_CASE("a product of the same shape gives the same bits, whatever was computed before", "[cuda]") {
  CLOZE_GPU_OR_SKIP();
  const Product product{100, 96, 80, false, true, false};
  const auto first = results_on<Cuda, float>(product);
  results_on<Cuda, float>(Product{128, 96, 80, false, true, false});
  results_on<Cuda, float>(Product{65, 96, 80, false, true, false});
  CHECK(largest_error(results_on<Cuda, float>(product), first) == 0);
}

#ifdef CLOZE_CUDA_EMULATOR
TEST_CASE("shapes alike share an algorithm, and a shape that cannot have it gets its own", "[cuda]") {
  auto& lt = cloze::emulator::lt();
  lt.chosen = 0;
  for (Index m = 129; m <= 192; m += 9) CHECK(error_of<float>(Product{m, 40, 24, false, true, false}) < 2e-6);
  CHECK(lt.chosen == 1);
  lt.refused = 1;
  CHECK(error_of<float>(Product{150, 40, 24, false, true, false}) < 2e-6);
  CHECK(lt.chosen == 2);
}

TEST_CASE("where cuBLASLt fails or has no algorithm there is an error", "[cuda]") {
  auto& lt = cloze::emulator::lt();
  lt.no_algorithm = true;
  REQUIRE_ERROR(error_of<float>(Product{333, 40, 24, false, true, false}), "cloze.cuda.8");
  lt.no_algorithm = false;
  CHECK(error_of<float>(Product{500, 40, 24, false, true, false}) < 2e-6);
  lt.refused = 2;
  REQUIRE_ERROR(error_of<float>(Product{500, 40, 24, false, true, false}), "cloze.cuda.8");
  lt.refused = 0;
  lt.failing = true;
  REQUIRE_ERROR(error_of<float>(Product{500, 40, 24, false, true, false}), "cloze.cuda.7");
  lt.failing = false;
  CHECK(error_of<float>(Product{500, 40, 24, false, true, false}) < 2e-6);
}

TEST_CASE("a bias that cuBLASLt does not add is added by a kernel", "[cuda]") {
  auto& lt = cloze::emulator::lt();
  lt.no_epilogue = true;
  CHECK(error_of<float>(Layer{7, 24, 40, true, Activation::gelu}) < 2e-6);
  CHECK(error_of<float>(Layer{7, 24, 40, true, Activation::none}) < 2e-6);
  lt.no_epilogue = false;
}

TEST_CASE("a bias's gradient comes out of the product, and out of a kernel where cuBLASLt or the target has it so",
          "[cuda]") {
  auto& lt = cloze::emulator::lt();
  const auto launches = [](const WeightGradient& gradient) {
    const long before = cloze::emulator::counters().launches;
    CHECK(error_of<float>(gradient) < 4e-6);
    return cloze::emulator::counters().launches - before;
  };
  CHECK(launches({7, 24, 40, true, true, false, false}) == 0);
  CHECK(launches({7, 24, 40, true, true, true, false}) == 0);
  CHECK(launches({7, 24, 40, true, true, false, true}) == 1);
  lt.no_epilogue = true;
  lt.chosen = 0;
  CHECK(launches({7, 24, 136, true, true, false, false}) == 1);
  CHECK(launches({9, 24, 136, true, true, false, false}) == 1);
  CHECK(lt.chosen == 2);  // with the epilogue and without, for both
  lt.no_epilogue = false;
}
#endif
