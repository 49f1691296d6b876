#include <cloze/tensor/tensor.hpp>

#include <optional>

#include <cloze/autograd/elementwise.hpp>
#include <cloze/autograd/gather.hpp>
#include <cloze/autograd/reduce.hpp>
#include <cloze/autograd/shape_ops.hpp>

#include "support/gradcheck.hpp"

using namespace cloze;
using cloze::test::tensor;

TEMPLATE_TEST_CASE("tensors are made from values, zeros, one value and other tensors", "", Cpu, Reference) {
  using D = TestType;
  const auto x = Tensor<float, D>::from({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(x.shape() == Shape{2, 3});
  CHECK((x.rank() == 2 && x.size() == 6 && x.rows() == 2 && x.columns() == 3 && x.dim(-1) == 3));
  CHECK(x.to_vector() == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(Tensor<float, D>::zeros({3}).to_vector() == std::vector<float>{0, 0, 0});
  CHECK(Tensor<float, D>::full({2}, 7).to_vector() == std::vector<float>{7, 7});
  CHECK(Tensor<float, D>::scalar(5).item() == 5);
  CHECK(Tensor<float, D>::from(std::vector<float>{}, {0, 3}).to_vector().empty());
  REQUIRE_ERROR((Tensor<float, D>::from({1, 2}, {3})), "cloze.tensor.4");
  REQUIRE_ERROR((Tensor<float, D>::from({}, {})), "cloze.tensor.4");
}

TEST_CASE("copies of a tensor share its elements; clone() does not, to() changes device and scalar") {
  auto x = Tensor<float>::from({1, 2, 3}, {3});
  auto same = x;
  same.data()[0] = 10;
  CHECK(x.to_vector()[0] == 10);
  CHECK(same.same_as(x));
  auto other = x.clone();
  other.data()[0] = 20;
  CHECK(x.to_vector()[0] == 10);
  CHECK_FALSE(other.same_as(x));
  const auto far = x.to<Reference, double>();
  CHECK(far.to_vector() == std::vector<double>{10, 2, 3});
  CHECK(far.to<Cpu>().to_vector() == far.to_vector());
  CHECK(static_cast<const void*>(x.to<Cpu>().shared_body().get()) != static_cast<const void*>(x.shared_body().get()));
}

TEST_CASE("an alias shares memory under another shape, outside the tape, and stays inside its tensor") {
  auto x = Tensor<float>::from({1, 2, 3, 4, 5, 6}, {2, 3});
  x.requires_grad(true);
  auto part = x.alias({2, 2}, 1), deeper = part.alias({2}, 2);
  CHECK(part.to_vector() == std::vector<float>{2, 3, 4, 5});
  CHECK(deeper.to_vector() == std::vector<float>{4, 5});
  CHECK_FALSE(part.requires_grad());
  deeper.data()[1] = 50;
  CHECK(x.to_vector()[4] == 50);
  CHECK(x.alias({0}, 6).size() == 0);
  REQUIRE_ERROR(x.alias({4}, 3), "cloze.tensor.6");
  REQUIRE_ERROR(x.alias({1}, -1), "cloze.tensor.6");
  REQUIRE_ERROR(part.alias({5}, 0), "cloze.tensor.6");
  REQUIRE_ERROR(x.alias({1}, std::numeric_limits<Index>::max()), "cloze.tensor.6");
  // It keeps the memory alive.
  std::optional<Tensor<float>> owner = Tensor<float>::full({4}, 3);
  const auto kept = owner->detach();
  owner.reset();
  CHECK(kept.to_vector() == std::vector<float>(4, 3));
}

TEST_CASE("item() takes the one element of any shape, and refuses none or many") {
  CHECK(Tensor<float>::full({1, 1, 1}, 4).item() == 4);
  REQUIRE_ERROR(Tensor<float>::zeros({2}).item(), "cloze.tensor.5");
  REQUIRE_ERROR(Tensor<float>::zeros({0}).item(), "cloze.tensor.5");
}

TEST_CASE("an undefined tensor says so wherever it is used") {
  Tensor<float> none;
  CHECK_FALSE(none.defined());
  CHECK_FALSE(static_cast<bool>(none));
  CHECK_FALSE(none.has_grad());
  CHECK_FALSE(none.grad().defined());
  CHECK_FALSE(none.has_row_sparse_grad());
  REQUIRE_ERROR(none.shape(), "cloze.tensor.7");
  REQUIRE_ERROR(none.data(), "cloze.tensor.7");
  REQUIRE_ERROR(none.span(), "cloze.tensor.7");
  REQUIRE_ERROR(none.item(), "cloze.tensor.7");
  REQUIRE_ERROR(none.to_vector(), "cloze.tensor.7");
  REQUIRE_ERROR(none.clone(), "cloze.tensor.7");
  REQUIRE_ERROR(none.requires_grad(true), "cloze.tensor.7");
  REQUIRE_ERROR((none.backward(), 0), "cloze.tensor.7");
  REQUIRE_ERROR((none.zero_grad(), 0), "cloze.tensor.7");
  auto x = Tensor<float>::scalar(1);
  const auto moved = std::move(x);
  REQUIRE_ERROR(x.item(), "cloze.tensor.7");  // NOLINT: that is the point
}

TEMPLATE_TEST_CASE("gradients accumulate over backward passes until zero_grad()", "", Cpu, Reference) {
  using D = TestType;
  auto x = Tensor<float, D>::from({1, 2, 3}, {3});
  x.requires_grad(true);
  CHECK((x.is_leaf() && x.requires_grad() && !x.has_grad()));
  for (int pass = 1; pass <= 3; ++pass) {
    const auto loss = sum(x * x);
    CHECK_FALSE(loss.is_leaf());
    loss.backward();
    const float n = static_cast<float>(pass);
    CHECK(x.grad().to_vector() == std::vector<float>{2 * n, 4 * n, 6 * n});
  }
  const auto handle = x.grad();
  const auto before = handle.to_vector();
  x.zero_grad();
  CHECK_FALSE(x.has_grad());
  CHECK_FALSE(x.grad().defined());
  sum(x).backward();
  CHECK(x.grad().to_vector() == std::vector<float>{1, 1, 1});
  CHECK(handle.to_vector() == before);  // a handle keeps what it was given
}

TEST_CASE("a tensor that is used several times receives the sum of its gradients") {
  auto x = Tensor<double>::from({3}, {1});
  x.requires_grad(true);
  const auto y = x * x;          // 2x
  const auto z = y * x + y + 5;  // x³ + x² + 5
  sum(z).backward();
  CHECK(x.grad().item() == 3 * 9 + 2 * 3);
  CHECK_FALSE(y.has_grad());  // intermediate gradients are freed
}

TEST_CASE("a leaf that is its own loss has gradient one, each time") {
  auto x = Tensor<float>::scalar(3);
  x.requires_grad(true);
  x.backward();
  x.backward();
  CHECK(x.grad().item() == 2);
}

TEST_CASE("backward() a second time, from many numbers or from nothing is an error") {
  auto x = Tensor<float>::from({1, 2}, {2});
  x.requires_grad(true);
  const auto y = x * x;
  const auto loss = sum(y), other = mean(y);
  REQUIRE_ERROR((y.backward(), 0), "cloze.autograd.2");
  loss.backward();
  REQUIRE_ERROR((loss.backward(), 0), "cloze.autograd.1");
  REQUIRE_ERROR((other.backward(), 0), "cloze.autograd.1");   // its graph was freed with the first
  REQUIRE_ERROR((sum(y).backward(), 0), "cloze.autograd.1");  // also through a new operation on a freed value
  CHECK(x.grad().to_vector() == std::vector<float>{2, 4});    // and nothing was added
  const auto constant = Tensor<float>::scalar(1);
  REQUIRE_ERROR((constant.backward(), 0), "cloze.autograd.2");
  REQUIRE_ERROR((sum(constant + 1).backward(), 0), "cloze.autograd.2");
}

TEST_CASE("under NoGrad nothing is recorded") {
  auto x = Tensor<float>::from({1, 2}, {2});
  x.requires_grad(true);
  const auto y = [&] {
    const NoGrad no_grad;
    return sum(x * x);
  }();
  CHECK((y.is_leaf() && !y.requires_grad()));
  REQUIRE_ERROR((y.backward(), 0), "cloze.autograd.2");
  const auto z = sum(x.detach() * x);  // a detached factor is a constant
  z.backward();
  CHECK(x.grad().to_vector() == std::vector<float>{1, 2});
}

TEST_CASE("only leaves can be told whether to want gradients") {
  auto x = Tensor<float>::scalar(2);
  x.requires_grad(true);
  auto y = x * 2;
  REQUIRE_ERROR(y.requires_grad(false), "cloze.autograd.3");
  REQUIRE_ERROR(y.requires_grad(true), "cloze.autograd.3");
  x.requires_grad(false);
  CHECK((x * 2).is_leaf());
}

TEST_CASE("a frozen input gets no gradient and costs none") {
  auto x = tensor<float, Cpu>({2, 3}, 1), w = tensor<float, Cpu>({2, 3}, 2);
  x.requires_grad(true);
  sum(x * w).backward();
  CHECK(x.has_grad());
  CHECK_FALSE(w.has_grad());
}

TEMPLATE_TEST_CASE("the gradient of a looked-up table is row-sparse until a dense one joins it", "", Cpu, Reference) {
  using D = TestType;
  auto table = tensor<double, D>({5, 2}, 1);
  table.requires_grad(true);
  const std::vector<Index> ids{3, 1, 3};
  sum(gather_rows(table, Ids(ids))).backward();
  REQUIRE(table.has_row_sparse_grad());
  CHECK(std::vector<Index>(table.touched_rows().rows.begin(), table.touched_rows().rows.end()) ==
        std::vector<Index>{3, 1});
  const std::vector<double> sparse{0, 0, 1, 1, 0, 0, 2, 2, 0, 0};
  CHECK(table.grad().to_vector() == sparse);
  CHECK(table.has_row_sparse_grad());  // looking did not change it
  SECTION("by an elementwise operation") { sum(table * 10).backward(); }
  SECTION("by a slice") { sum(slice_rows(table, 0, 5) * 10).backward(); }
  CHECK_FALSE(table.has_row_sparse_grad());
  std::vector<double> dense = sparse;
  for (double& v : dense) v += 10;
  CHECK(table.grad().to_vector() == dense);
  sum(gather_rows(table, Ids(ids))).backward();
  for (std::size_t i = 0; i < dense.size(); ++i) dense[i] += sparse[i];
  CHECK(table.grad().to_vector() == dense);
  table.zero_grad();
  sum(gather_rows(table, Ids(ids))).backward();
  CHECK(table.has_row_sparse_grad());  // row-sparse again in the next step
  CHECK(table.grad().to_vector() == sparse);
}
