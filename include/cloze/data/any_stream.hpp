// AnyStream: a stream whose class is chosen at run time.
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <utility>

#include <cloze/data/stream.hpp>

namespace cloze {

/// Holds a stream of any class whose items are of type T, and is one itself.
template <class T>
class AnyStream {
 public:
  using Item = T;

  template <ItemStream S>
  requires(std::same_as<typename S::Item, T> && !std::same_as<S, AnyStream>) explicit AnyStream(S stream)
      : held_(std::make_unique<Holder<S>>(std::move(stream))) {}

  std::optional<T> next() { return held_->next(); }
  nlohmann::json state() const { return held_->state(); }
  void restore(const nlohmann::json& state) { held_->restore(state); }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual std::optional<T> next() = 0;
    virtual nlohmann::json state() const = 0;
    virtual void restore(const nlohmann::json& state) = 0;
  };
  template <class S>
  struct Holder : Interface {
    explicit Holder(S from) : stream(std::move(from)) {}
    std::optional<T> next() override { return stream.next(); }
    nlohmann::json state() const override { return stream.state(); }
    void restore(const nlohmann::json& state) override { stream.restore(state); }
    S stream;
  };

  std::unique_ptr<Interface> held_;
};

}  // namespace cloze
