// The slow headers that most tests include, precompiled once for all test programs. Not to be included by name: a test
// names what it uses.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>
#include <Eigen/Core>
#include <nlohmann/json.hpp>

#include "support/catch.hpp"
