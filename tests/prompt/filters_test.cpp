#include <cloze/prompt/filters.hpp>

#include <vector>

#include "support/catch.hpp"

using namespace cloze;

TEST_CASE("every filter does to a text what its name says") {
  const auto f = [](Filter filter, const char* text) { return apply_filter(filter, text); };
  CHECK(f(Filter::strip, " \t a b \n") == "a b");
  CHECK(f(Filter::strip, "   ") == "");
  CHECK(f(Filter::strip_period, "It works .  ") == "It works");
  CHECK(f(Filter::strip_period, "It works..") == "It works.");
  CHECK(f(Filter::strip_period, "Why?") == "Why?");
  CHECK(f(Filter::strip_punctuation, "What?!).") == "What");
  CHECK(f(Filter::strip_punctuation, "...") == "");
  CHECK(f(Filter::drop_punctuation, "What?!") == "What?");
  CHECK(f(Filter::drop_punctuation, "What") == "What");
  CHECK(f(Filter::drop_last, "What") == "Wha");
  CHECK(f(Filter::drop_last, "caf\xc3\xa9") == "caf");
  CHECK(f(Filter::drop_last, "a\xf0\x9f\x99\x82") == "a");
  CHECK(f(Filter::lower_first, "The End") == "the End");
  CHECK(f(Filter::lower_first, "\xc3\x89t\xc3\xa9") == "\xc3\xa9t\xc3\xa9");
  CHECK(f(Filter::lower_first, "\xc4\xb0x") == "i\xcc\x87x");  // U+0130, as Python lowers it
  CHECK(f(Filter::upper_first, "the end") == "The end");
  CHECK(f(Filter::upper_first,
          "\xc3\x9f"
          "a") == "SSa");
  CHECK(f(Filter::upper_first, "\xc3\xa9t\xc3\xa9") == "\xc3\x89t\xc3\xa9");
  CHECK(f(Filter::lower, "A B \xc3\x89") == "a b \xc3\xa9");
}

TEST_CASE("no filter fails on an empty or broken text") {
  for (int i = 0; i < 8; ++i) {
    const auto filter = static_cast<Filter>(i);
    CHECK(apply_filter(filter, "") == "");
    for (const char* broken : {"\xff", "\x80\x80\x80\x80\x80", "\xe2\x82", "a\xf0\x9f", "\xc3"})
      CHECK(apply_filter(filter, broken).size() <= std::string(broken).size());
  }
  CHECK(apply_filter(Filter::drop_last, "a\x80\x80\x80\x80\x80") == "a\x80\x80\x80\x80");
}

TEST_CASE("filters are applied in the order written") {
  CHECK(apply_filters(std::vector{Filter::drop_last, Filter::strip_punctuation}, "What?!x") == "What");
  CHECK(apply_filters(std::vector{Filter::strip_punctuation, Filter::drop_last}, "What?!x") == "What?!");
  CHECK(apply_filters({}, "same") == "same");
}
