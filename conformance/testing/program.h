// SPDX-License-Identifier: Apache-2.0
//
// The fixture of tests that meet attest as a user does: the built program in a directory of its
// own, its exit code, and what it prints.
#ifndef ATTEST_CONFORMANCE_TESTING_PROGRAM_H_
#define ATTEST_CONFORMANCE_TESTING_PROGRAM_H_

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "conformance/testing/directory.h"

namespace attest {

inline std::string Contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

class ProgramTest : public DirectoryTest {
 protected:
  static std::string FromEnvironment(const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return value == nullptr ? otherwise : value;
  }
  // Quoted for the shell. ctest names both places.
  static std::string Program() { return "'" + FromEnvironment("ATTEST_BIN", "bin") + "/attest'"; }
  static std::string Source(const std::string& path) {
    return "'" + FromEnvironment("ATTEST_SOURCE", ".") + "/" + path + "'";
  }

  // Of a command line, through the shell. `then` stands behind the redirections.
  Outcome Shell(const std::string& command, const std::string& then = "") const {
    const std::string line =
        command + " > '" + Path("stdout") + "' 2> '" + Path("stderr") + "'" + then;
    const int status = std::system(line.c_str());
    return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .out = Contents(directory_ / "stdout"),
            .err = Contents(directory_ / "stderr")};
  }
  // Of "attest ARGUMENTS".
  Outcome Attest(const std::string& arguments) const { return Shell(Program() + " " + arguments); }

  // Bad input ends with code 2, nothing on stdout, and one line on stderr that begins with attest
  // and holds `words`.
  void ExpectBadInput(const std::string& arguments, const std::string& words) const {
    const Outcome outcome = Attest(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments << "\n" << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.err.find("attest"), 0U) << outcome.err;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err << "\n" << words;
    EXPECT_EQ(outcome.out, "") << arguments;
  }
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_TESTING_PROGRAM_H_
