// SPDX-License-Identifier: Apache-2.0
//
// A mutant in this process behind the session's interface, as far as a graph case asks: for power
// certificates, which have to know what the judge would say.
#ifndef ATTEST_CONFORMANCE_JUDGE_MUTANT_SESSION_H_
#define ATTEST_CONFORMANCE_JUDGE_MUTANT_SESSION_H_

#include <memory>
#include <vector>

#include "conformance/mutants/graph.h"
#include "conformance/run/session.h"

namespace attest {

class MutantSession final : public Session {
 public:
  explicit MutantSession(const Mutant& mutant) : mutant_(mutant) {}

  const Claims& claims() const override { return claims_; }
  const BackendSpec& spec() const override { return spec_; }
  CallResult Supports(const attest_problem_t& problem) override;
  CallResult Forward(const attest_problem_t& problem, double multiply_adds,
                     CallImage& image) override;
  CallResult CopyToPersistent(CallImage& image, std::optional<SeenTensor>& view) override;
  CallResult GraphCapture(const attest_problem_t& maximum, double multiply_adds,
                          CallImage& image) override;
  CallResult GraphUpdate(const attest_problem_t& step, CallImage& image) override;
  CallResult GraphReplay(double multiply_adds, CallImage& image) override;
  CallResult GraphInspect(int index, SeenView& view) override;
  CallResult GraphDestroy() override;
  void StartAfresh() override { graph_.reset(); }

 private:
  const Mutant& mutant_;
  Claims claims_;
  BackendSpec spec_;
  std::vector<std::byte> held_;  // the caller's memory, where the graph looks for it
  std::unique_ptr<MutantGraph> graph_;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_MUTANT_SESSION_H_
