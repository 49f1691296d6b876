#include <cloze/tensor/xtensor.hpp>

#include <xtensor/xarray.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>

#include "support/catch.hpp"

using namespace cloze;

TEMPLATE_TEST_CASE("xtensor<N>() is the tensor's own memory", "", Cpu, Reference) {
  auto x = Tensor<float, TestType>::from({1, 2, 3, 4, 5, 6}, {2, 3});
  auto a = x.template xtensor<2>();
  CHECK(a.data() == x.data());
  CHECK((a.shape()[0] == 2 && a.shape()[1] == 3));
  CHECK(a(1, 0) == 4);
  a(1, 0) = 40;
  CHECK(x.to_vector()[3] == 40);
  const auto& constant = x;
  const auto c = constant.template xtensor<2>();
  CHECK(xt::sum(xt::view(c, 1, xt::all()))() == 51);
  static_assert(!std::is_assignable_v<decltype(c(0, 0)), float>);
  xt::view(a, xt::all(), 0) = 0;
  CHECK(x.to_vector() == std::vector<float>{0, 2, 3, 0, 5, 6});
}

TEST_CASE("xtensor<N>() takes any rank and refuses another") {
  auto x = Tensor<double>::from({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2});
  CHECK(x.xtensor<3>()(1, 0, 1) == 6);
  auto scalar = Tensor<double>::scalar(7);
  CHECK(scalar.xtensor<0>()() == 7);
  auto empty = Tensor<double>::empty({0, 3});
  CHECK(empty.xtensor<2>().size() == 0);
  REQUIRE_ERROR(x.xtensor<2>(), "cloze.xtensor.1");
  REQUIRE_ERROR(scalar.xtensor<1>(), "cloze.xtensor.1");
  Tensor<double> undefined;
  REQUIRE_ERROR(undefined.xtensor<1>(), "cloze.tensor.7");
}

TEST_CASE("from_xtensor evaluates arrays and expressions of any layout") {
  const xt::xtensor<double, 2> rows{{1, 2, 3}, {4, 5, 6}};
  const xt::xtensor<double, 2, xt::layout_type::column_major> columns(rows);
  CHECK(from_xtensor(rows).to_vector() == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(from_xtensor(columns).to_vector() == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(from_xtensor(rows * 2.0 + 1.0).to_vector() == std::vector<double>{3, 5, 7, 9, 11, 13});
  CHECK(from_xtensor(xt::transpose(rows)).shape() == Shape{3, 2});
  CHECK(from_xtensor(xt::transpose(rows)).to_vector() == std::vector<double>{1, 4, 2, 5, 3, 6});
  CHECK(from_xtensor(xt::xarray<double>(xt::view(rows, 1, xt::all()))).shape() == Shape{3});
  CHECK(from_xtensor<Reference>(rows).to_vector() == std::vector<double>{1, 2, 3, 4, 5, 6});
  const xt::xarray<float> deep = xt::ones<float>({1, 1, 1, 1, 1, 1, 1});
  REQUIRE_ERROR(from_xtensor(deep), "cloze.tensor.1");
  CHECK(from_xtensor(xt::xarray<float>(xt::ones<float>({0, 2}))).shape() == Shape{0, 2});
}

TEST_CASE("a tensor survives the round trip through xtensor") {
  auto x = Tensor<float>::from({1, 2, 3, 4}, {2, 2});
  const auto back = from_xtensor(x.xtensor<2>());
  CHECK(back.shape() == x.shape());
  CHECK(back.to_vector() == x.to_vector());
  CHECK(static_cast<const void*>(back.data()) != static_cast<const void*>(x.data()));
}
