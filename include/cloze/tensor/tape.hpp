// The tape: which operation made which value, and the walk back. Knows nothing of scalars, devices or kernels.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

#include <cloze/core/error.hpp>

namespace cloze {

struct TapeNode;

/// What the tape sees of a tensor: the operation that made it (none for a leaf) and whether gradients flow into it.
struct TapeValue {
  virtual ~TapeValue();
  /// True once some operation has put a gradient here.
  virtual bool has_gradient() const = 0;
  /// Frees the gradient of an intermediate value as soon as it has been passed on.
  virtual void release_gradient() = 0;

  std::shared_ptr<TapeNode> node;
  bool requires_grad = false;
};

/// One recorded operation. `backward` reads the gradient of `output` and puts gradients into the inputs.
struct TapeNode {
  const char* name;
  std::uint64_t sequence;
  std::vector<std::shared_ptr<TapeValue>> inputs;
  std::function<void(TapeValue& output)> backward;
  bool released = false;
};

namespace detail {

/// Frees a graph in a loop: letting each value free the next one would overflow the stack on a long chain that was
/// never walked back, such as a running sum of losses.
inline void free_node(std::shared_ptr<TapeNode> node) {
  thread_local std::vector<std::shared_ptr<TapeNode>>* waiting = nullptr;  // of the outermost call
  if (waiting != nullptr) {
    waiting->push_back(std::move(node));
    return;
  }
  std::vector<std::shared_ptr<TapeNode>> mine;
  waiting = &mine;
  node.reset();
  while (!mine.empty()) {
    node = std::move(mine.back());
    mine.pop_back();
    node.reset();
  }
  waiting = nullptr;
}

inline bool& recording() {
  thread_local bool on = true;
  return on;
}
}  // namespace detail

inline TapeValue::~TapeValue() {
  if (node) detail::free_node(std::move(node));
}

/// While one is alive, this thread records nothing: for evaluation and for updates of parameters.
class NoGrad {
 public:
  NoGrad() : before_(detail::recording()) { detail::recording() = false; }
  ~NoGrad() { detail::recording() = before_; }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

/// True where operations are recorded (no NoGrad alive on this thread).
inline bool grad_enabled() { return detail::recording(); }

/// Makes `output` the result of an operation `name` on `inputs`, if recording and if any input wants a gradient.
/// `backward` is called at most once, with the output's gradient in place.
inline void record(const char* name, TapeValue& output, std::vector<std::shared_ptr<TapeValue>> inputs,
                   std::function<void(TapeValue&)> backward) {
  static std::atomic<std::uint64_t> next{0};
  output.requires_grad = true;
  output.node = std::make_shared<TapeNode>(TapeNode{name, next++, std::move(inputs), std::move(backward)});
}

/// Runs the tape back from `root`, whose gradient is already set. Frees the graph as it goes.
/// Operations run in the reverse of the order they were recorded in, so each sees its whole gradient.
/// Throws [cloze.autograd.1] where the graph was freed by an earlier call.
inline void run_backward(const std::shared_ptr<TapeValue>& root) {
  std::vector<std::shared_ptr<TapeValue>> values;
  std::vector<TapeValue*> open{root.get()};
  std::unordered_set<const TapeValue*> seen{root.get()};
  values.push_back(root);
  while (!open.empty()) {
    TapeValue* value = open.back();
    open.pop_back();
    if (!value->node) continue;
    require(!value->node->released, "cloze.autograd.1",
            "backward a second time through '{}': its graph was freed by the first; run the forward pass again, or sum "
            "the losses before one backward()",
            value->node->name);
    for (const auto& input : value->node->inputs)
      if (input->requires_grad && seen.insert(input.get()).second) {
        open.push_back(input.get());
        values.push_back(input);
      }
  }
  std::erase_if(values, [](const auto& value) { return !value->node; });
  std::ranges::sort(values, std::ranges::greater{}, [](const auto& value) { return value->node->sequence; });
  for (auto& value : values) {
    TapeNode& node = *value->node;
    if (value->has_gradient()) node.backward(*value);
    node.released = true;
    node.backward = nullptr;
    node.inputs.clear();
    value->release_gradient();
    value.reset();
  }
}

}  // namespace cloze
