#include <cloze/tensor/tape.hpp>

#include <string>
#include <thread>

#include "support/catch.hpp"

using namespace cloze;

namespace {

/// A value whose gradient is a number.
struct Number final : TapeValue {
  bool has_gradient() const override { return set; }
  void release_gradient() override { set = false; }
  void add(double g) {
    gradient = set ? gradient + g : g;
    set = true;
  }
  double gradient = 0;
  bool set = false;
};
using Value = std::shared_ptr<Number>;

Value leaf() {
  auto value = std::make_shared<Number>();
  value->requires_grad = true;
  return value;
}

/// An operation whose output passes its gradient to every input; `log` hears its name.
Value join(const char* name, std::vector<Value> inputs, std::string& log) {
  auto output = std::make_shared<Number>();
  record(name, *output, {inputs.begin(), inputs.end()}, [inputs, name, &log](TapeValue& value) {
    log += name;
    for (const auto& input : inputs)
      if (input->requires_grad) input->add(static_cast<Number&>(value).gradient);
  });
  return output;
}

}  // namespace

TEST_CASE("each operation runs once, after everything that used its result") {
  std::string log;
  const auto x = leaf();
  const auto a = join("a", {x}, log), b = join("b", {a}, log), c = join("c", {a, b, x}, log),
             d = join("d", {b, c}, log);
  d->add(1);
  run_backward(d);
  CHECK(log == "dcba");
  CHECK(x->gradient == 4);  // paths d-b-a-x, d-c-a-x, d-c-b-a-x, d-c-x
}

TEST_CASE("an operation without a gradient is skipped, and a branch that nobody asked for is not run") {
  std::string log;
  const auto x = leaf(), constant = std::make_shared<Number>();
  const auto a = join("a", {x, constant}, log), unused = join("u", {a}, log), b = join("b", {a}, log);
  b->add(1);
  run_backward(b);
  CHECK(log == "ba");
  CHECK_FALSE(constant->set);
  // No gradient at the root: nothing runs.
  log.clear();
  run_backward(join("c", {x}, log));
  CHECK(log.empty());
}

TEST_CASE("the graph is freed as it is walked: inputs, closures and intermediate gradients") {
  std::string log;
  const auto x = leaf();
  std::weak_ptr<Number> middle;
  Value root;
  {
    const auto a = join("a", {x}, log);
    middle = a;
    root = join("b", {a}, log);
  }
  CHECK_FALSE(middle.expired());
  root->add(1);
  run_backward(root);
  CHECK(middle.expired());
  CHECK_FALSE(root->set);
  CHECK(x->set);
}

TEST_CASE("a freed graph is not walked again, also where another root shares it") {
  std::string log;
  const auto x = leaf();
  const auto shared = join("s", {x}, log), first = join("f", {shared}, log), second = join("g", {shared}, log);
  first->add(1);
  run_backward(first);
  REQUIRE_ERROR((run_backward(first), 0), "cloze.autograd.1");
  second->add(1);
  REQUIRE_ERROR((run_backward(second), 0), "cloze.autograd.1");
  CHECK(x->gradient == 1);
}

TEST_CASE("a long chain is walked and dropped without deep recursion") {
  std::string log;
  const auto x = leaf();
  for (const bool walk : {true, false}) {
    auto value = x;
    for (int i = 0; i < 200'000; ++i) value = join("", {value}, log);
    if (walk) {
      value->add(1);
      run_backward(value);
    }
  }
  CHECK(x->gradient == 1);
}

TEST_CASE("NoGrad holds for its scope and its thread") {
  CHECK(grad_enabled());
  {
    const NoGrad outer;
    CHECK_FALSE(grad_enabled());
    {
      const NoGrad inner;
      CHECK_FALSE(grad_enabled());
    }
    CHECK_FALSE(grad_enabled());
    bool elsewhere = false;
    std::thread([&] { elsewhere = grad_enabled(); }).join();
    CHECK(elsewhere);
  }
  CHECK(grad_enabled());
}
