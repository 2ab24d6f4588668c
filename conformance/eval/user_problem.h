// SPDX-License-Identifier: Apache-2.0
//
// The problem of a user's call: what the JSON file says, completed by what follows from the shapes
// and types of the tensors.
#ifndef ATTEST_CONFORMANCE_EVAL_USER_PROBLEM_H_
#define ATTEST_CONFORMANCE_EVAL_USER_PROBLEM_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "conformance/eval/token_layout.h"
#include "conformance/eval/user_files.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct UserProblem {
  Problem problem;  // valid
  BatchLayout layout = BatchLayout::kPacked;
  TokenSizes query;       // of query.npy
  TokenSizes key;         // of key.npy, where there is one
  std::int64_t past = 0;  // keys of past_key.npy, the same for every request
  // Of past_key.npy and past_value.npy: `layout`, or bhsd beside bsh, which is ONNX's way.
  BatchLayout past_layout = BatchLayout::kPacked;
  bool dense_keys = false;          // key.npy has all keys of a request, not the step's alone
  std::vector<std::string> filled;  // fields that the JSON leaves out and the tensors settle

  std::vector<std::int64_t> QueryLens() const;
};

// `path` names the JSON file in messages. Without `layout`, three axes of query.npy mean packed and
// four mean bhsd. Fields of how the suite would lay out memory (shared_prefix, hybrid_split,
// padding, slack) mean nothing for given tensors and are reset. Bad input names the file and the
// field: an unknown key, a field that a tensor contradicts, a field that nothing settles.
Result<UserProblem> CompleteProblem(const nlohmann::ordered_json& json, const std::string& path,
                                    const UserFiles& files, std::optional<BatchLayout> layout);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_EVAL_USER_PROBLEM_H_
