// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/resolve.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "conformance/run/session.h"

namespace attest {
namespace {

namespace fs = std::filesystem;

// A directory of programs that holds two built-in backends and a few other files.
class Resolve : public testing::Test {
 protected:
  void SetUp() override {
    const char* before = std::getenv("ATTEST_BIN");
    before_ = before == nullptr ? "" : before;
    directory_ = testing::TempDir() + "attest_resolve_" + std::to_string(getpid());
    fs::create_directories(directory_ + "/sub");
    for (const char* name : {"libattest_one.so", "libattest_two.so", "libattest_.so", "attest",
                             "sub/mine.so", "sub/odd:name.so", "sub/plain"}) {
      std::ofstream(directory_ + "/" + name) << "x";
    }
    setenv("ATTEST_BIN", directory_.c_str(), 1);
  }
  void TearDown() override {
    setenv("ATTEST_BIN", before_.c_str(), 1);
    fs::remove_all(directory_);
  }

  void Expect(const std::string& argument, const std::string& library,
              const std::string& selector) {
    const Result<BackendSpec> spec = ResolveBackend(argument);
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    EXPECT_EQ(spec->argument, argument);
    EXPECT_EQ(spec->library, directory_ + library);
    EXPECT_EQ(spec->selector, selector);
  }
  void ExpectNone(const std::string& argument, const std::string& message) {
    const Result<BackendSpec> spec = ResolveBackend(argument);
    ASSERT_FALSE(spec.ok());
    EXPECT_EQ(spec.status().code(), StatusCode::kBadInput);
    EXPECT_EQ(spec.status().message(), message);
  }

  std::string before_;
  std::string directory_;
};

TEST_F(Resolve, ANameIsALibraryBesideTheProgram) {
  Expect("one", "/libattest_one.so", "");
  Expect("two:flash", "/libattest_two.so", "flash");
  Expect("two:mutant:a/b.so", "/libattest_two.so", "mutant:a/b.so");
}

TEST_F(Resolve, AFamilyOfABuiltInLibraryComesAfterADot) {
  Expect("two.flash", "/libattest_two.so", "flash");
  Expect("two.mutant:a.b", "/libattest_two.so", "mutant:a.b");
  Expect("two:a.b", "/libattest_two.so", "a.b");
  ExpectNone("three.flash", "backend 'three.flash': no library at " + directory_ +
                                "/libattest_three.flash.so; built in here: one, two");
}

TEST_F(Resolve, WhatHasASlashOrEndsInSoIsAPath) {
  Expect(directory_ + "/sub/mine.so", "/sub/mine.so", "");
  Expect(directory_ + "/sub/mine.so:fast", "/sub/mine.so", "fast");
  Expect(directory_ + "/sub/mine.so:a:b", "/sub/mine.so", "a:b");
  Expect(directory_ + "/sub/plain:fast", "/sub/plain", "fast");
  Expect(directory_ + "/sub/odd:name.so:fast", "/sub/odd:name.so", "fast");
}

TEST_F(Resolve, APathIsTakenFromTheWorkingDirectory) {
  const fs::path before = fs::current_path();
  fs::current_path(directory_ + "/sub");
  Expect("mine.so", "/sub/mine.so", "");
  Expect("./mine.so:fast", "/sub/mine.so", "fast");
  Expect("../libattest_one.so", "/libattest_one.so", "");
  fs::current_path(before);
}

TEST_F(Resolve, ListsWhatIsBuiltIn) {
  EXPECT_EQ(BuiltInBackends(), (std::vector<std::string>{"one", "two"}));
}

TEST_F(Resolve, WhatIsNotThereIsNamedWithThePlaceAndTheAlternatives) {
  ExpectNone("three", "backend 'three': no library at " + directory_ +
                          "/libattest_three.so; built in here: one, two");
  ExpectNone(directory_ + "/other.so:x", "backend '" + directory_ + "/other.so:x': no library at " +
                                             directory_ + "/other.so; built in here: one, two");
  ExpectNone(directory_ + "/sub", "backend '" + directory_ + "/sub': no library at " + directory_ +
                                      "/sub; built in here: one, two");
  ExpectNone("", "backend '' names no backend; built in here: one, two");
  ExpectNone(":x", "backend ':x' names no backend; built in here: one, two");
}

TEST(ResolveProgramDirectory, IsThatOfTheRunningProgramUnlessToldOtherwise) {
  const char* told = std::getenv("ATTEST_BIN");
  const std::string before = told == nullptr ? "" : told;
  unsetenv("ATTEST_BIN");
  EXPECT_EQ(ProgramDirectory(), fs::read_symlink("/proc/self/exe").parent_path().string());
  setenv("ATTEST_BIN", "/tmp/../usr", 1);
  EXPECT_EQ(ProgramDirectory(), "/usr");
  setenv("ATTEST_BIN", before.c_str(), 1);
}

}  // namespace
}  // namespace attest
