// SPDX-License-Identifier: Apache-2.0
//
// The NPY files of one call, by the member of attest_forward_args_t that each is.
#ifndef ATTEST_CONFORMANCE_EVAL_USER_FILES_H_
#define ATTEST_CONFORMANCE_EVAL_USER_FILES_H_

#include <map>
#include <string>
#include <string_view>

#include "conformance/eval/npy.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Moves, never copies: tensors are views of its arrays.
class UserFiles {
 public:
  UserFiles() = default;
  UserFiles(const UserFiles&) = delete;
  UserFiles& operator=(const UserFiles&) = delete;
  UserFiles(UserFiles&&) = default;
  UserFiles& operator=(UserFiles&&) = default;
  ~UserFiles() = default;

  // Reads every DIR/NAME.npy that is an input. Files that are outputs (out.npy, lse.npy, ...) or no
  // NPY are left alone. Bad input: no such directory, an unreadable file, a name that is no tensor
  // of a call.
  static Result<UserFiles> Read(const std::string& directory);

  // An absent array where there is no such file.
  const NpyArray& Of(std::string_view name) const;
  bool Has(std::string_view name) const { return Of(name).present(); }
  // "DIR/NAME.npy", there or not, for messages.
  std::string PathOf(std::string_view name) const;

 private:
  std::string directory_;
  std::map<std::string, NpyArray, std::less<>> arrays_;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_EVAL_USER_FILES_H_
