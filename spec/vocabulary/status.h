// SPDX-License-Identifier: Apache-2.0
//
// Status and Result<T>: how a function of attest says what went wrong. Nothing in attest throws
// across a room; libraries under us that throw (JSON, file streams) are caught where they are
// called.
#ifndef ATTEST_SPEC_VOCABULARY_STATUS_H_
#define ATTEST_SPEC_VOCABULARY_STATUS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace attest {

// Each code says whose turn it is. The numbers of 2, 3 and 4 are the exit codes of every command.
enum class StatusCode : std::uint8_t {
  kOk = 0,
  kBadInput = 2,     // the user's file, flag or tensor: the message says what and where
  kEnvironment = 3,  // no such device, toolchain, interpreter, or the disk is full
  kInternal = 4,     // our own fault: the run is void
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status BadInput(std::string message) { return {StatusCode::kBadInput, std::move(message)}; }
inline Status EnvironmentError(std::string message) {
  return {StatusCode::kEnvironment, std::move(message)};
}
inline Status InternalError(std::string message) {
  return {StatusCode::kInternal, std::move(message)};
}

// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::move(status)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return std::holds_alternative<T>(state_); }
  const Status& status() const {
    static const Status kOkStatus;
    return ok() ? kOkStatus : std::get<Status>(state_);
  }
  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_STATUS_H_
