#include <cloze/nn/parameter.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

ParameterList<float> list() {
  ParameterList<float> parameters({{"encoder.weight", Tensor<float>::zeros({2, 3}), true},
                                   {"encoder.bias", Tensor<float>::zeros({2}), false},
                                   {"head.weight", Tensor<float>::zeros({4, 2}), true}});
  parameters.unfreeze();
  return parameters;
}

}  // namespace

TEST_CASE("a parameter list counts, iterates and finds") {
  auto parameters = list();
  CHECK(parameters.size() == 3);
  CHECK(parameters.count() == 16);
  CHECK(parameters.where([](const auto& p) { return p.decay; }).size() == 2);
  parameters.append(ParameterList<float>({{"extra", Tensor<float>::zeros({5}), false}}));
  CHECK(parameters.size() == 4);
  CHECK(parameters[3].name == "extra");
  CHECK(ParameterList<float>().empty());
  CHECK(ParameterList<float>().count() == 0);
}

TEST_CASE("freezing stops gradients by prefix or predicate, through every handle") {
  auto parameters = list();
  const auto copy = parameters;
  CHECK(parameters.trainable().size() == 3);
  CHECK(parameters.freeze("encoder.") == 2);
  CHECK(copy.trainable().size() == 1);
  CHECK(copy.trainable()[0].name == "head.weight");
  CHECK(parameters.unfreeze("encoder.b") == 1);
  CHECK(copy.trainable().size() == 2);
  CHECK(parameters.freeze([](const Parameter<float>& p) { return p.tensor.rank() == 2; }) == 2);
  CHECK(copy.trainable().size() == 1);
  CHECK(parameters.unfreeze() == 3);
  CHECK(parameters.freeze("nothing") == 0);
  CHECK(copy.trainable().size() == 3);
}

TEST_CASE("zero_grad forgets every gradient") {
  auto parameters = list();
  parameters[0].tensor.gradient().dense(6, 1).data[0] = 1;
  std::vector<Index> slots;
  const std::vector<Index> ids{1};
  parameters[2].tensor.gradient().rows(ids, 2, slots);
  CHECK(parameters[0].tensor.has_grad());
  CHECK(parameters[2].tensor.has_grad());
  parameters.zero_grad();
  for (const auto& parameter : parameters) CHECK_FALSE(parameter.tensor.has_grad());
}
