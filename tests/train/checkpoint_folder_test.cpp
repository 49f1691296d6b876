#include <cloze/train/checkpoint_folder.hpp>

#include <fstream>

#include <sys/wait.h>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

std::vector<std::string> names(const CheckpointFolder& folder) {
  std::vector<std::string> found;
  for (const auto& path : folder.files()) found.push_back(path.filename().string());
  return found;
}

}  // namespace

TEST_CASE("the last few checkpoints are kept, and the newest is loaded") {
  const test::TemporaryFolder temporary;
  Index step = 0;
  Checkpoint run;
  run.add("step", step);
  {
    const CheckpointFolder folder(temporary.path() / "a/b", 2);
    CHECK(!folder.load(run));
    CHECK(!folder.latest());
    for (step = 0; step < 1200; step += 300) folder.save(run, step);
    CHECK(names(folder) == std::vector<std::string>{"step-000000600.safetensors", "step-000000900.safetensors"});
    step = 10'000'000'000;
    folder.save(run, step);
    CHECK(names(folder).back() == "step-10000000000.safetensors");
    REQUIRE_ERROR(folder.save(run, -1), "cloze.checkpoint_folder.3");
  }
  const CheckpointFolder again(temporary.path() / "a/b", 3);
  step = 5;
  CHECK(again.load(run));
  CHECK(step == 10'000'000'000);
  REQUIRE_ERROR(CheckpointFolder(temporary.path() / "c", 0), "cloze.checkpoint_folder.1");
  temporary.write("file", "x");
  REQUIRE_ERROR(CheckpointFolder(temporary.path() / "file"), "cloze.file.3");
  REQUIRE_ERROR(CheckpointFolder("/proc/nothing"), "cloze.file.3");
}

TEST_CASE("a folder belongs to one process; what a killed writer left is removed, and other files are left alone") {
  const test::TemporaryFolder temporary;
  temporary.write("step-000000007.safetensors.123-1.partial", "half");
  temporary.write("step-x.safetensors", "a user's");
  temporary.write("notes.txt", "a user's");
  {
    const CheckpointFolder folder(temporary.path());
    CHECK(!std::filesystem::exists(temporary.path() / "step-000000007.safetensors.123-1.partial"));
    CHECK(std::filesystem::exists(temporary.path() / "step-x.safetensors"));
    CHECK(std::filesystem::exists(temporary.path() / "notes.txt"));
    CHECK(folder.files().empty());
    REQUIRE_ERROR(CheckpointFolder(temporary.path()), "cloze.checkpoint_folder.2");
  }
  CHECK_NOTHROW(CheckpointFolder(temporary.path()));
}

TEST_CASE("a broken newest checkpoint is an error, never a silent step back") {
  const test::TemporaryFolder temporary;
  Index step = 3;
  Checkpoint run;
  run.add("step", step);
  const CheckpointFolder folder(temporary.path());
  folder.save(run, 3);
  temporary.write("step-000000004.safetensors", "not a checkpoint");
  step = 9;
  CHECK_THROWS_AS(folder.load(run), Error);
  CHECK(step == 9);
}
