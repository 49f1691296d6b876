#include <cloze/train/metrics.hpp>

#include <filesystem>

#include <cloze/core/json.hpp>

#include "support/catch.hpp"

using namespace cloze;

namespace {

nlohmann::json golden() { return read_json(std::filesystem::path(__FILE__).parent_path() / "data" / "metrics.json"); }

std::vector<LabelId> labels_of(const nlohmann::json& numbers) {
  std::vector<LabelId> labels;
  for (const auto& number : numbers) labels.push_back(LabelId{number.get<int>()});
  return labels;
}

void check_answer(double found, const nlohmann::json& wanted) {
  if (wanted.is_null()) {
    CHECK(std::isnan(found));
  } else {
    CHECK(found == Approx(wanted.get<double>()).margin(1e-15).epsilon(1e-12));
  }
}

}  // namespace

TEST_CASE("accuracy, F1 and Matthews' correlation agree with scikit-learn, degenerate cases too") {
  const auto all = golden();
  for (const auto& row : all["classification"]) {
    const auto predictions = labels_of(row["predictions"]), labels = labels_of(row["labels"]);
    check_answer(accuracy(predictions, labels), row["accuracy"]);
    check_answer(f1_binary(predictions, labels), row["f1"]);
    check_answer(f1_macro(predictions, labels), row["f1_macro"]);
    check_answer(matthews(predictions, labels), row["matthews"]);
  }
}

TEST_CASE("Pearson's and Spearman's correlation agree with SciPy, with ties, constants and extreme sizes") {
  const auto all = golden();
  for (const auto& row : all["correlations"]) {
    const auto x = row["x"].get<std::vector<double>>(), y = row["y"].get<std::vector<double>>();
    check_answer(pearson(x, y), row["pearson"]);
    check_answer(spearman(x, y), row["spearman"]);
  }
  const std::vector<double> values{1, std::nan(""), 3}, others{1, 2, 3};
  CHECK(std::isnan(pearson(values, others)));
  CHECK(std::isnan(spearman(others, values)));
}

TEST_CASE("ranks share the mean where values are equal") {
  const std::vector<double> values{3, 1, 3, 2, 3};
  const bool equal = ranks(values) == std::vector<double>{4, 1, 4, 2, 4};
  CHECK(equal);
  CHECK(ranks(std::vector<double>{}).empty());
}

TEST_CASE("lists of different lengths and empty lists are refused") {
  const std::vector<LabelId> none, one{LabelId{1}}, two{LabelId{1}, LabelId{0}};
  const std::vector<double> x{1}, y{1, 2};
  REQUIRE_ERROR(accuracy(one, two), "cloze.metrics.1");
  REQUIRE_ERROR(accuracy(none, none), "cloze.metrics.2");
  REQUIRE_ERROR(f1_binary(two, one), "cloze.metrics.1");
  REQUIRE_ERROR(f1_binary(none, none), "cloze.metrics.2");
  REQUIRE_ERROR(f1_macro(none, none), "cloze.metrics.2");
  REQUIRE_ERROR(matthews(none, one), "cloze.metrics.1");
  REQUIRE_ERROR(mean_squared_error(x, y), "cloze.metrics.1");
  REQUIRE_ERROR(mean_squared_error({}, {}), "cloze.metrics.2");
  CHECK(mean_squared_error(std::vector<double>{1, -2}, y) == 8.0);  // (0 + 16) / 2
  REQUIRE_ERROR(pearson(x, y), "cloze.metrics.1");
  REQUIRE_ERROR(pearson(x, x), "cloze.metrics.2");
  REQUIRE_ERROR(spearman(x, x), "cloze.metrics.2");
}
