// The tape: which operation made which value, and the walk back. Knows nothing of scalars, devices or kernels.
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <cloze/core/error.hpp>
#include <cloze/core/pool.hpp>
#include <cloze/core/profile.hpp>

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
  // Of a leaf, during a walk that reports complete gradients: which walk, and how many operations may still add to it.
  std::uint32_t uses = 0;
  std::uint64_t walk = 0;
};

/// A function with its captures in the pool; called once at most, then emptied.
class TapeFunction {
 public:
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, TapeFunction>) TapeFunction(F&& f) {  // implicit, as std::function
    using Function = std::remove_cvref_t<F>;
    static_assert(alignof(Function) <= detail::Heap::unit);
    captures_ = PoolAllocator<Function>().allocate(1);
    try {
      new (captures_) Function(std::forward<F>(f));
    } catch (...) {
      PoolAllocator<Function>().deallocate(static_cast<Function*>(captures_), 1);
      throw;
    }
    run_ = [](void* captures, TapeValue* output) {
      auto* function = static_cast<Function*>(captures);
      if (output != nullptr) return (*function)(*output);
      function->~Function();
      PoolAllocator<Function>().deallocate(function, 1);
    };
  }
  TapeFunction(TapeFunction&& other) noexcept : captures_(std::exchange(other.captures_, nullptr)), run_(other.run_) {}
  TapeFunction& operator=(TapeFunction&& other) noexcept {
    std::swap(captures_, other.captures_);
    std::swap(run_, other.run_);
    return *this;
  }
  ~TapeFunction() { clear(); }

  void operator()(TapeValue& output) { run_(captures_, &output); }
  void clear() noexcept {
    if (captures_ != nullptr) run_(std::exchange(captures_, nullptr), nullptr);
  }

 private:
  void* captures_ = nullptr;
  void (*run_)(void* captures, TapeValue* output) = nullptr;  // without an output: destroys the captures
};

/// The inputs of an operation.
using TapeInputs = List<std::shared_ptr<TapeValue>>;

/// One recorded operation. `backward` reads the gradient of `output` and puts gradients into the inputs.
struct TapeNode {
  const char* name;
  std::uint64_t sequence;
  TapeInputs inputs;
  TapeFunction backward;
  bool released = false;
  std::uint64_t walk = 0;  // the last one that found it
};

namespace detail {

/// Frees a graph in a loop: letting each value free the next one would overflow the stack on a long chain that was
/// never walked back, such as a running sum of losses.
inline void free_node(std::shared_ptr<TapeNode> node) {
  thread_local List<std::shared_ptr<TapeNode>>* waiting = nullptr;  // of the outermost call
  if (waiting != nullptr) {
    waiting->push_back(std::move(node));
    return;
  }
  List<std::shared_ptr<TapeNode>> mine;
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

/// Sets recording for a scope.
class Recording {
 public:
  explicit Recording(bool on) : before_(std::exchange(recording(), on)) {}
  ~Recording() { recording() = before_; }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  bool before_;
};

}  // namespace detail

inline TapeValue::~TapeValue() {
  if (node) detail::free_node(std::move(node));
}

/// While one is alive, this thread records nothing: for evaluation and for updates of parameters.
class NoGrad {
 private:
  detail::Recording off_{false};
};

/// True where operations are recorded (no NoGrad alive on this thread).
inline bool grad_enabled() { return detail::recording(); }

/// Makes `output` the result of an operation `name` on `inputs`, if recording and if any input wants a gradient.
/// `backward` is called at most once, with the output's gradient in place.
inline void record(const char* name, TapeValue& output, TapeInputs inputs, TapeFunction backward) {
  static std::atomic<std::uint64_t> next{0};
  output.requires_grad = true;
  output.node = std::allocate_shared<TapeNode>(PoolAllocator<TapeNode>(),
                                               TapeNode{name, next++, std::move(inputs), std::move(backward)});
  profile_mark("forward", name);
}

/// Hears of each leaf whose gradient has received all that it will from this walk.
class LeafListener {
 public:
  virtual void complete(TapeValue& leaf) = 0;

 protected:
  ~LeafListener() = default;
};

/// Runs the tape back from `root`, whose gradient is already set. Frees the graph as it goes.
/// Operations run in the reverse of the order they were recorded in, so each sees its whole gradient.
/// `listener` hears of a leaf as soon as the last operation that uses it has run.
/// Throws [cloze.autograd.1] where the graph was freed by an earlier call.
inline void run_backward(const std::shared_ptr<TapeValue>& root, LeafListener* listener = nullptr) {
  static std::atomic<std::uint64_t> last_walk{0};
  const std::uint64_t walk = ++last_walk;
  List<std::shared_ptr<TapeValue>> values;
  if (root->node) {
    root->node->walk = walk;
    values.push_back(root);
  } else if (listener != nullptr) {
    listener->complete(*root);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const TapeNode& node = *values[i]->node;
    require(!node.released, "cloze.autograd.1",
            "backward a second time through '{}': its graph was freed by the first; run the forward pass again, or sum "
            "the losses before one backward()",
            node.name);
    for (const auto& input : node.inputs) {
      if (!input->requires_grad) continue;
      if (input->node) {
        if (std::exchange(input->node->walk, walk) != walk) values.push_back(input);
      } else if (listener != nullptr) {
        if (std::exchange(input->walk, walk) != walk) input->uses = 0;
        ++input->uses;
      }
    }
  }
  std::sort(values.begin(), values.end(),
            [](const auto& a, const auto& b) { return a->node->sequence > b->node->sequence; });
  for (auto& value : values) {
    TapeNode& node = *value->node;
    if (value->has_gradient()) node.backward(*value);
    profile_mark("backward", node.name);
    node.released = true;
    node.backward.clear();
    value->release_gradient();
    if (listener != nullptr)
      for (const auto& input : node.inputs)
        if (input->requires_grad && !input->node && --input->uses == 0) listener->complete(*input);
    node.inputs.clear();
    value.reset();
  }
}

}  // namespace cloze
