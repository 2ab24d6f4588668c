// SPDX-License-Identifier: Apache-2.0
//
// What the conditions of mutants are made of: questions about a whole call, and a softmax done over
// with other weights.
#ifndef ATTEST_CONFORMANCE_MUTANTS_TRIGGERS_H_
#define ATTEST_CONFORMANCE_MUTANTS_TRIGGERS_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <vector>

#include "conformance/mutants/attention.h"

namespace attest {

std::int64_t RoundUp(std::int64_t value, std::int64_t unit);
std::int64_t CeilDiv(std::int64_t value, std::int64_t by);

bool IsDecoder(const Call& call);
bool IsEncoder(const Call& call);
bool IsCross(const Call& call);
bool IsLatent(const Call& call);
bool HasNarrowCache(const Call& call);  // 8 bits
bool HasHalfQuery(const Call& call);    // 16 bits, float or bfloat
// Strides of key and value are given and not implied by a layout.
bool Strided(const Call& call, const Place& place);

std::int64_t SeqLen(const Call& call, std::int64_t request);
std::int64_t QueryStart(const Call& call, std::int64_t request);
std::int64_t ContextLen(const Call& call, std::int64_t request);
// Of this call, not the bounds.
std::int64_t LongestQuery(const Call& call);
std::int64_t LongestRequest(const Call& call);
std::int64_t TotalKeys(const Call& call);
// All requests have this many new tokens; 0: they differ.
std::int64_t UniformQueryLen(const Call& call);
// Every request has one new token.
bool IsPureDecode(const Call& call);

// Leading pages that all requests share, in tokens; 0 for a single request.
std::int64_t SharedPrefix(const Call& call);

// Offset of a cached element by the faithful strides.
std::int64_t FaithfulOffset(const Call& call, const Row& row, const Place& place, Side side,
                            std::int64_t column);

// ---- The softmax done over

// What is left of a weight, which is relative to answer.maximum.
using Reweighed = std::function<double(const Scored&, double weight)>;
// Numerators by `values`, the denominator by `sums`; the LSE follows the denominator.
void Reweigh(const Call& call, const Row& row, const std::vector<Scored>& scores,
             const Reweighed& values, const Reweighed& sums, Answer& answer);
// The same for both.
void Reweigh(const Call& call, const Row& row, const std::vector<Scored>& scores,
             const Reweighed& weights, Answer& answer);

void MakeNan(Answer& answer);

// Sum of weights of a row relative to its own maximum, without a sink; 0 where it sees nothing.
double DenominatorOf(const Call& call, const Row& row);

// All of the parts of a room, in order.
using Room = std::vector<Mutant> (*)();
std::vector<Mutant> Joined(std::initializer_list<Room> parts);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_MUTANTS_TRIGGERS_H_
