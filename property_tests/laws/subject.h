// SPDX-License-Identifier: Apache-2.0
//
// Subject: a backend that laws are tried on. Whatever ends a trial early is thrown as Ended, so
// that a law reads as its sentence does; TryLaw catches it.
#ifndef ATTEST_PROPERTY_TESTS_LAWS_SUBJECT_H_
#define ATTEST_PROPERTY_TESTS_LAWS_SUBJECT_H_

#include <exception>
#include <string>
#include <string_view>

#include "conformance/run/inputs.h"
#include "conformance/run/session.h"
#include "property_tests/laws/law.h"
#include "reference/oracle.h"

namespace attest {

class Ended : public std::exception {
 public:
  Ended(OutcomeKind kind, std::string reason) : outcome_{kind, std::move(reason)} {}
  const LawOutcome& outcome() const { return outcome_; }
  const char* what() const noexcept override { return outcome_.reason.c_str(); }

 private:
  LawOutcome outcome_;
};

[[noreturn]] void EndAsBroken(std::string reason);
[[noreturn]] void EndAsVoid(std::string reason);
[[noreturn]] void EndAsForeign(std::string reason);  // does not apply

// What the backend answered to one call, and what it might have: all rows in order, so that line
// token * num_q_heads + head of `expected` is that token's.
struct JudgedCall {
  Problem problem;
  CallImage image;
  Expected expected;
};

class Subject {
 public:
  // `session` outlives this. `arithmetic` is the class to judge by.
  Subject(Session& session, Arithmetic arithmetic)
      : session_(session), arithmetic_(std::move(arithmetic)) {}

  Session& session() { return session_; }
  const Claims& claims() const { return session_.claims(); }
  const Arithmetic& arithmetic() const { return arithmetic_; }
  bool Has(std::uint64_t features) const {
    return (session_.claims().features & features) == features;
  }

  // The tensors of a sample, or of another problem with the sample's seed, recipe and poison.
  static CaseInputs Build(const Sample& sample, const InputVariant& variant = {});
  static CaseInputs BuildFor(const Problem& problem, const Sample& sample,
                             const InputVariant& variant = {});

  // One forward call. Ends the trial where the problem lies outside the claims (does not apply),
  // where the backend says no, does not answer, or writes where it may not (broken), and where the
  // oracle declines (void). `how` names the call in messages.
  JudgedCall Ask(const Problem& problem, const CaseInputs& inputs, std::string_view how);

  // write_kv of `inputs` (BuildWriteKvInputs): the image that it left behind.
  CallImage AskWriteKv(const Problem& problem, const CaseInputs& inputs);

  // merge of the parts of `inputs` (BuildMergeInputs), whose expectation is `expected`.
  JudgedCall AskMerge(const Problem& problem, const CaseInputs& inputs, Expected expected);

 private:
  Session& session_;
  Arithmetic arithmetic_;
};

// The same tensors for another problem of the same shapes: only the ABI form changes.
CaseInputs Retitled(const CaseInputs& inputs, const Problem& problem);

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_LAWS_SUBJECT_H_
