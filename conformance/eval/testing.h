// SPDX-License-Identifier: Apache-2.0
//
// A user's directory for tests: writes NPY files of plain numbers.
#ifndef ATTEST_CONFORMANCE_EVAL_TESTING_H_
#define ATTEST_CONFORMANCE_EVAL_TESTING_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "conformance/eval/npy.h"
#include "conformance/testing/directory.h"

namespace attest {

class UserDirectory : public DirectoryTest {
 protected:
  void Remove(const std::string& name) const { std::filesystem::remove(directory_ / name); }
  void Problem(const std::string& json) const { Write("problem.json", json); }

  template <typename Element>
  void Array(const std::string& name, NpyType type, const std::vector<std::int64_t>& shape,
             const std::vector<Element>& data) const {
    Write(name + ".npy", NpyFile(type, shape, data.data()));
  }
  // float32 numbers that tell every element of every tensor apart: salt + 0, 1, 2, ...
  void Counting(const std::string& name, const std::vector<std::int64_t>& shape,
                float salt = 0) const {
    std::int64_t count = 1;
    for (const std::int64_t n : shape) count *= n;
    std::vector<float> data;
    for (std::int64_t i = 0; i < count; ++i) data.push_back(salt + static_cast<float>(i));
    Array(name, {'f', 4}, shape, data);
  }
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_EVAL_TESTING_H_
