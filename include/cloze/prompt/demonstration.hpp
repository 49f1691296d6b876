// Demonstration: an answered example shown beside the query.
#pragma once

#include <cloze/core/ids.hpp>
#include <cloze/data/example.hpp>

namespace cloze {

/// Points to an example that the caller keeps, with the label it is shown with (regression: the nearer pole).
struct Demonstration {
  const Example* example = nullptr;
  LabelId label{};
};

}  // namespace cloze
