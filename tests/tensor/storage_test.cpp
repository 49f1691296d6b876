#include <cloze/tensor/storage.hpp>

#include <vector>

#include "support/catch.hpp"

using namespace cloze;

TEMPLATE_TEST_CASE("storage is shared by its copies and zeroed on request", "", Cpu, Reference) {
  const Storage<float, TestType> a(17);
  a.zero();
  for (Index i = 0; i < 17; ++i) CHECK(a.data()[i] == 0);
  const auto b = a;
  b.data()[3] = 5;
  CHECK(a.data()[3] == 5);
  CHECK(a.shares(b));
  CHECK_FALSE(a.shares(Storage<float, TestType>(17)));
}

TEMPLATE_TEST_CASE("empty storage has no memory and shares it with nobody", "", Cpu, Reference) {
  const Storage<float, TestType> none, zero(0);
  none.zero(), zero.zero();
  CHECK((none.data() == nullptr && zero.data() == nullptr));
  CHECK((none.size() == 0 && zero.size() == 0));
  CHECK_FALSE(zero.shares(none));
}

TEST_CASE("Cpu memory begins at a cache line") {
  for (const Index n : {1, 3, 17, 1000}) {
    const Storage<float, Cpu> a(n);
    CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
  }
}

#ifndef __SANITIZE_ADDRESS__  // which ends the program where new would throw
TEMPLATE_TEST_CASE("memory that the machine does not have is an error", "", Cpu, Reference) {
  REQUIRE_ERROR((Storage<double, TestType>(Index{1} << 56)), "cloze.tensor.3");
}
#endif

TEST_CASE("elements are copied between devices") {
  const std::vector<float> values{1, 2, 3};
  const Storage<float, Reference> a(3);
  const Storage<float, Cpu> b(3);
  copy_elements<Cpu, Reference>(values.data(), a.data(), 3);
  copy_elements<Reference, Cpu>(a.data(), b.data(), 3);
  CHECK(std::vector<float>(b.data(), b.data() + 3) == values);
  copy_elements<Cpu, Cpu, float>(nullptr, nullptr, 0);  // nothing from nowhere
}
