#include <cloze/core/choose_device.hpp>

#include <string>

#include "support/catch.hpp"

namespace {

std::string chosen(const char* name) {
  return cloze::with_device(name, [](auto device) { return std::string(decltype(device)::name); });
}

}  // namespace

TEST_CASE("a device is chosen by its name, and a name that is none is an error") {
  CHECK(chosen("cpu") == "cpu");
  for (const char* name : {"", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:1x", "cuda: 1", "cpu:0", "cuda:99999999999"})
    REQUIRE_ERROR(chosen(name), "cloze.device.1");
}

TEST_CASE("a GPU in a program without CUDA is an error, not the CPU") {
  REQUIRE_ERROR(chosen("cuda"), "cloze.device.2");
  REQUIRE_ERROR(chosen("cuda:3"), "cloze.device.2");
}
