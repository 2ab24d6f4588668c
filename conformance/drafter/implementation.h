// SPDX-License-Identifier: Apache-2.0
//
// Somebody's implementation of the drafter's rules, asked over spec/drafter/protocol.md.
#ifndef ATTEST_CONFORMANCE_DRAFTER_IMPLEMENTATION_H_
#define ATTEST_CONFORMANCE_DRAFTER_IMPLEMENTATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "conformance/drafter/line_child.h"
#include "spec/vocabulary/status.h"

namespace attest::drafter {

inline constexpr int kDrafterProtocol = 1;

// What hello said.
struct Introduction {
  std::string name;
  std::vector<std::string> answers;
  std::vector<std::string> eras;
  std::vector<std::string> runners;
  std::vector<std::string> fields;  // empty: all
  std::string not_available;        // why; empty: it is
};

struct Outcome {
  enum class Kind : std::uint8_t { kAnswer, kNotSupported, kFault };
  Kind kind = Kind::kFault;
  nlohmann::ordered_json answer;
  std::string message;  // of the other two
};

// Asks one question, whatever answers it: a child, or a function in this process.
using Ask = std::function<Outcome(const nlohmann::ordered_json& question)>;

class Implementation {
 public:
  // Starts `command` and lets it introduce itself. Environment error: it cannot be started, or does
  // not introduce itself; with the end of its stderr.
  static Result<std::unique_ptr<Implementation>> Open(const std::string& command,
                                                      double deadline_s);
  ~Implementation();
  Implementation(const Implementation&) = delete;
  Implementation& operator=(const Implementation&) = delete;

  const Introduction& introduction() const { return introduction_; }

  // `question` has no id. A fault ends the child; the next question goes to a fresh one.
  Outcome Put(const nlohmann::ordered_json& question);

  int restarts() const { return restarts_; }

 private:
  Implementation(std::string command, double deadline_s)
      : command_(std::move(command)), deadline_s_(deadline_s) {}

  Status Hello();
  // The object that answers `request`, under a fresh id.
  Result<nlohmann::ordered_json> Exchange(nlohmann::ordered_json request, double deadline_s);

  std::string command_;
  double deadline_s_;
  std::unique_ptr<LineChild> child_;
  Introduction introduction_;
  std::int64_t next_id_ = 1;
  int restarts_ = 0;
};

}  // namespace attest::drafter

#endif  // ATTEST_CONFORMANCE_DRAFTER_IMPLEMENTATION_H_
