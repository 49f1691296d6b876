// Catch2, version 2 (Debian 12's) or 3, and the project's own assertions.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <string>

#include <cloze/core/error.hpp>

/// Requires that evaluating `expression` throws a cloze::Error with this id.
#define REQUIRE_ERROR(expression, wanted)                                 \
  do {                                                                    \
    std::string cloze_found_id = "no error";                              \
    try {                                                                 \
      static_cast<void>(expression);                                      \
    } catch (const cloze::Error& error) {                                 \
      cloze_found_id = error.id();                                        \
      INFO(error.what());                                                 \
      CHECK(std::string(error.what()).find("[" + error.id() + "]") == 0); \
    }                                                                     \
    REQUIRE(cloze_found_id == std::string(wanted));                       \
  } while (false)
