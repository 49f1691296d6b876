#include <cloze/train/checkpoint.hpp>

#include <cmath>

#include <cloze/autograd/dropout.hpp>
#include <cloze/autograd/gather.hpp>
#include <cloze/autograd/linear.hpp>
#include <cloze/autograd/losses.hpp>
#include <cloze/train/adamw.hpp>
#include <cloze/train/clip.hpp>
#include <cloze/train/sampler.hpp>
#include <cloze/train/schedule.hpp>
#include <cloze/train/sgd.hpp>

#include "support/catch.hpp"
#include "support/gradcheck.hpp"
#include "support/temporary.hpp"

using namespace cloze;

namespace {

// A run with everything that a checkpoint must carry: a table with row-sparse gradients, a frozen vector, dropout, a
// shuffling sampler, a schedule and an optimizer with moments.
template <Scalar T, Device D, class MakeOptimizer>
class Run {
 public:
  using Made = std::invoke_result_t<MakeOptimizer, ParameterList<T, D>>;

  explicit Run(MakeOptimizer make, Index rows = 50)
      : table(test::tensor<T, D>({rows, 8}, 1)),
        weight(test::tensor<T, D>({3, 8}, 2)),
        bias(test::tensor<T, D>({3}, 3)),
        parameters(list()),
        optimizer(make(parameters)) {
    checkpoint.add("model", parameters);
    checkpoint.add("optimizer", optimizer);
    checkpoint.add("rng", rng);
    checkpoint.add("sampler", sampler);
    checkpoint.add("step", step);
    checkpoint.add("loss", loss);
  }

  void train(Index steps) {
    for (const Index end = step + steps; step < end; ++step) {
      optimizer.set_lr(0.05 * LinearSchedule{.total = 20, .warmup = 3}(step));
      std::vector<Index> ids, labels;
      for (const Index i : sampler.next(4)) {
        ids.push_back(i * i % 50);
        labels.push_back(i % 3);
      }
      const auto rows = gather_rows(table, Ids(ids));
      const auto hidden = dropout(rows, Dropout{0.3, rng.next_u64()});
      const auto value = cross_entropy(linear(hidden, weight, bias), Ids(labels));
      loss = static_cast<double>(value.item());
      value.backward();
      clip_grad_norm(parameters, 0.5);
      optimizer.step();
      optimizer.zero_grad();
    }
  }

  Tensor<T, D> table, weight, bias;
  ParameterList<T, D> parameters;
  Made optimizer;
  Rng rng{5, "dropout"};
  EpochSampler sampler{30, Rng(7, "data")};
  Index step = 0;
  double loss = 0;
  Checkpoint checkpoint;

 private:
  ParameterList<T, D> list() {
    for (auto* tensor : {&table, &weight, &bias}) tensor->requires_grad(true);
    bias.requires_grad(false);
    return ParameterList<T, D>({{"table", table, true}, {"weight", weight, true}, {"bias", bias, false}});
  }
};

template <Scalar T, Device D, class Make>
void resumes(Make make) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "run.safetensors";
  Run<T, D, Make> straight(make), first(make), second(make);
  straight.train(17);
  first.train(9);
  first.checkpoint.save(path);
  second.train(2);  // whatever it did before is forgotten
  second.checkpoint.load(path);
  REQUIRE(second.step == 9);
  second.train(8);
  CHECK(straight.loss == second.loss);
  straight.checkpoint.save(folder.path() / "a");
  second.checkpoint.save(folder.path() / "b");
  CHECK(read_file(folder.path() / "a") == read_file(folder.path() / "b"));
  CHECK(straight.table.to_vector() == second.table.to_vector());
  CHECK(straight.weight.to_vector() == second.weight.to_vector());
  CHECK(std::isfinite(straight.loss));
  CHECK(straight.weight.to_vector() != test::tensor<T, D>({3, 8}, 2).to_vector());
}

const auto adamw = [](auto list) { return AdamW(list, {.lr = 0.05, .weight_decay = 0.1}); };
const auto sgd = [](auto list) { return SGD(list, {.lr = 0.05, .momentum = 0.9, .dampening = 0.2}); };

template <class Edit>
void edit_state(const std::filesystem::path& from, const std::filesystem::path& to, Edit edit) {
  const SafetensorsFile file(from);
  auto state = parse_json(file.metadata().at("state"), "state");
  edit(state);
  SafetensorsWriter writer;
  writer.set_metadata("format", "cloze-checkpoint");
  writer.set_metadata("state", state.dump());
  std::map<std::string, std::vector<float>> floats;
  std::map<std::string, std::vector<Index>> integers;
  for (const auto& info : file.tensors()) {
    if (info.dtype == Dtype::i64) {
      writer.add<Index>(info.name, info.shape, integers[info.name] = file.read_values<Index>(info.name));
    } else {
      writer.add<float>(info.name, info.shape, floats[info.name] = file.read_values<float>(info.name));
    }
  }
  writer.write(to);
}

}  // namespace

TEST_CASE("a resumed run goes on to the same bits as one that never stopped") {
  resumes<float, Cpu>(adamw);
  resumes<double, Cpu>(adamw);
  resumes<double, Reference>(adamw);
  resumes<float, Cpu>(sgd);
}

TEST_CASE("notes travel with a checkpoint") {
  const test::TemporaryFolder folder;
  Run<float, Cpu, decltype(adamw)> a(adamw), b(adamw);
  a.checkpoint.notes()["task"] = "SST-2 \"и\"";
  a.checkpoint.save(folder.path() / "x");
  b.checkpoint.load(folder.path() / "x");
  CHECK(b.checkpoint.notes().at("task") == "SST-2 \"и\"");
  a.checkpoint.notes()["bad"] = "\xFF";
  REQUIRE_ERROR(a.checkpoint.save(folder.path() / "x"), "cloze.checkpoint.5");
}

TEST_CASE("a file that is no checkpoint, or of another version, is refused") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x", edited = folder.path() / "y";
  Run<float, Cpu, decltype(adamw)> run(adamw);
  REQUIRE_ERROR(run.checkpoint.load(path), "cloze.file.1");
  SafetensorsWriter().write(path);
  REQUIRE_ERROR(run.checkpoint.load(path), "cloze.checkpoint.1");
  run.checkpoint.save(path);
  edit_state(path, edited, [](auto& state) { state["version"] = 2; });
  REQUIRE_ERROR(run.checkpoint.load(edited), "cloze.checkpoint.2");
  edit_state(path, edited, [](auto& state) { state["parts"] = 3; });
  REQUIRE_ERROR(run.checkpoint.load(edited), "cloze.checkpoint.1");
  edit_state(path, edited, [](auto& state) { state.erase("notes"); });
  REQUIRE_ERROR(run.checkpoint.load(edited), "cloze.json.2");
  const auto bytes = read_file(path);
  write_file_atomically(edited, bytes.substr(0, bytes.size() - 1));
  REQUIRE_ERROR(run.checkpoint.load(edited), "cloze.safetensors.5");
}

TEST_CASE("a checkpoint of another model, optimizer, sampler or set of parts is refused and nothing changes") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x";
  Run<float, Cpu, decltype(adamw)> run(adamw);
  run.train(3);
  run.checkpoint.save(path);
  const auto refuses = [&](auto& other, const char* id, const std::string& names) {
    const auto table = other.table.to_vector();
    try {
      other.checkpoint.load(path);
      FAIL("no error");
    } catch (const Error& error) {
      INFO(error.what());
      CHECK(error.id() == id);
      CHECK(std::string(error.what()).find(names) != std::string::npos);
    }
    CHECK(other.table.to_vector() == table);
    CHECK(other.step == 0);
  };
  Run<float, Cpu, decltype(adamw)> larger(adamw, 60);
  refuses(larger, "cloze.checkpoint.4", "\"table\": wanted shape [60, 8], found [50, 8]");
  Run<double, Cpu, decltype(adamw)> wider(adamw);
  refuses(wider, "cloze.checkpoint.4", "wanted dtype F64, found F32");
  Run<float, Cpu, decltype(sgd)> other_rule(sgd);
  refuses(other_rule, "cloze.checkpoint.4", "\"optimizer\"");
  Run<float, Cpu, decltype(adamw)> renamed(adamw);
  renamed.checkpoint = Checkpoint();
  auto list = renamed.parameters;
  list[1].name = "other";
  renamed.checkpoint.add("model", list);
  refuses(renamed, "cloze.checkpoint.3", "\"loss\"");
  for (const auto& [name, number] : std::map<std::string, Index*>{{"rng", &renamed.step}, {"sampler", &renamed.step}})
    renamed.checkpoint.add(name, *number);
  renamed.checkpoint.add("optimizer", renamed.optimizer);
  renamed.checkpoint.add("step", renamed.step);
  renamed.checkpoint.add("loss", renamed.loss);
  refuses(renamed, "cloze.checkpoint.4", "\"other\"");
  Run<float, Cpu, decltype(adamw)> smaller(adamw);
  smaller.sampler = EpochSampler(29, Rng(7, "data"));
  refuses(smaller, "cloze.checkpoint.4", "\"size\"");
  Run<float, Cpu, decltype(adamw)> more(adamw);
  double extra = 0;
  more.checkpoint.add("extra", extra);
  refuses(more, "cloze.checkpoint.3", "\"extra\"");
  REQUIRE_ERROR(more.checkpoint.add("extra", extra), "cloze.checkpoint.3");
  REQUIRE_ERROR(more.checkpoint.add("a/b", extra), "cloze.checkpoint.3");
}

TEST_CASE("a checkpoint with a lying state is refused and nothing changes") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x", edited = folder.path() / "y";
  Run<float, Cpu, decltype(adamw)> run(adamw), other(adamw);
  run.train(3);
  run.checkpoint.save(path);
  const auto refuses = [&](auto edit) {
    edit_state(path, edited, [&](nlohmann::json& state) { edit(state["parts"]); });
    REQUIRE_ERROR(other.checkpoint.load(edited), "cloze.checkpoint.4");
    CHECK(other.step == 0);
  };
  refuses([](auto& parts) { parts["sampler"]["position"] = 31; });
  refuses([](auto& parts) { parts["sampler"]["position"] = -1; });
  refuses([](auto& parts) { parts["sampler"]["position"] = "3"; });
  refuses([](auto& parts) { parts["sampler"].erase("position"); });
  refuses([](auto& parts) { parts["sampler"]["shuffle"] = 0; });
  refuses([](auto& parts) { parts["rng"]["seed"] = -3; });
  refuses([](auto& parts) { parts["rng"]["more"] = 1; });
  refuses([](auto& parts) { parts["optimizer"]["0.0/step"] = -1; });
  refuses([](auto& parts) { parts["optimizer"]["0.0/kind"] = 3; });
  refuses([](auto& parts) { parts["optimizer"]["0.0/kind"] = 1; });
  refuses([](auto& parts) { parts["optimizer"]["0.0/kind"] = 0; });
  refuses([](auto& parts) { parts["optimizer"]["0.1/name"] = "x"; });
  refuses([](auto& parts) { parts["optimizer"]["lr"] = 0x7FF0000000000000u; });
  edit_state(path, edited, [](nlohmann::json&) {});
  other.checkpoint.load(edited);
  CHECK(other.step == 3);
}

TEST_CASE("rows of moments outside the table or twice are refused") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x";
  auto table = Tensor<float>::zeros({5, 2});
  table.requires_grad(true);
  const std::vector<float> moments(4, 0.5f);
  for (const auto& rows : {std::vector<Index>{0, 5}, {0, -1}, {3, 3}, {1, 2}}) {
    SafetensorsWriter writer;
    nlohmann::json numbers = {{"t/kind", 2}};
    writer.add<Index>("o/t/rows", {2}, rows);
    writer.add<float>("o/t/0", {2, 2}, moments);
    writer.write(path);
    const SafetensorsFile file(path);
    Moments<float, Cpu, 1> loaded;
    if (rows[0] == 1) {
      loaded.load(CheckpointSource(file, numbers, "o"), "t", table.shape())();
      CHECK(loaded.row_sparse());
      CHECK(std::vector<Index>(loaded.rows().begin(), loaded.rows().end()) == rows);
      CHECK(loaded.data(0)[3] == 0.5f);
    } else {
      REQUIRE_ERROR(loaded.load(CheckpointSource(file, numbers, "o"), "t", table.shape()), "cloze.checkpoint.4");
    }
  }
}
