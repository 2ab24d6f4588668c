// SPDX-License-Identifier: Apache-2.0
//
// A family's claims through the ABI, and the answer that follows from them for one problem.
#ifndef ATTEST_BACKENDS_GPU_CLAIMS_H_
#define ATTEST_BACKENDS_GPU_CLAIMS_H_

#include <string>
#include <vector>

#include "backends/gpu/answer.h"
#include "backends/gpu/family.h"
#include "spec/abi/attest.h"

namespace attest::gpu {

// Owns the arrays that attest_claims_t points to.
class ClaimTable {
 public:
  ClaimTable(const Family& family, std::string device_name);

  void Fill(attest_claims_t& claims) const;
  // ATTEST_REFUSED with a reason where the problem lies outside the claims. The problem contradicts
  // nothing.
  Answer Offers(const attest_problem_t& problem) const;

 private:
  const Family& family_;
  std::string device_name_;
  std::vector<attest_dtype_t> token_dtypes_;
  std::vector<attest_dtype_t> cache_dtypes_;
  std::vector<attest_exclusion_t> exclusions_;
};

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_CLAIMS_H_
