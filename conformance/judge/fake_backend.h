// SPDX-License-Identifier: Apache-2.0
//
// A backend in the parent's own process, for tests of the judge: it answers right, bit for bit the
// same for a row whatever stands around it, and then a sin of the test's choice spoils the answer.
#ifndef ATTEST_CONFORMANCE_JUDGE_FAKE_BACKEND_H_
#define ATTEST_CONFORMANCE_JUDGE_FAKE_BACKEND_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conformance/run/session.h"

namespace attest {

// One call, after it was answered right.
struct FakeCall {
  const Problem& problem;  // read off the ABI form and the tensors
  const attest_problem_t& abi;
  const CallImage& before;
  CallImage& image;                     // what the judge will see
  int process = 0;                      // how often StartAfresh was called
  int calls = 0;                        // of this process, this one included
  const CallImage* previous = nullptr;  // image of the previous forward call of this process
};
using Sin = std::function<void(const FakeCall& call)>;

struct Sins {
  Sin forward;
  Sin write_kv;
  Sin merge;
};

class FakeBackend final : public Session {
 public:
  explicit FakeBackend(Sins sins = {});

  const Claims& claims() const override { return claims_; }
  const BackendSpec& spec() const override { return spec_; }
  CallResult Supports(const attest_problem_t& problem) override;
  CallResult Forward(const attest_problem_t& problem, double multiply_adds,
                     CallImage& image) override;
  CallResult WriteKv(const attest_problem_t& problem, double multiply_adds,
                     CallImage& image) override;
  CallResult Merge(const attest_problem_t& problem, double multiply_adds,
                   CallImage& image) override;
  void StartAfresh() override;

  bool can_start = true;  // false: every call ends with kCannotStart

 private:
  Sins sins_;
  Claims claims_;
  BackendSpec spec_;
  int process_ = 0;
  int calls_ = 0;
  CallImage previous_;
};

// What it computes: float32, a decoder without features, 4 query heads on 2 KV heads.
Problem PlainProblem(std::vector<Request> requests);

// Moves a float32 by `ulps` units in its last place.
void Nudge(CallImage& image, const char* tensor, const std::vector<std::int64_t>& index, int ulps);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_FAKE_BACKEND_H_
