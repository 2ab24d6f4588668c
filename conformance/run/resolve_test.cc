// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/resolve.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

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

// A directory that holds an interpreter, as PATH.
class ResolvePython : public Resolve {
 protected:
  void SetUp() override {
    Resolve::SetUp();
    path_ = std::getenv("PATH");
    for (const char* name : {"python3", "python3.99"}) {
      std::ofstream(directory_ + "/" + name) << "x";
      fs::permissions(directory_ + "/" + name, fs::perms::owner_all);
    }
    std::ofstream(directory_ + "/mine.py") << "x";
    setenv("PATH", ("/no/such:" + directory_).c_str(), 1);
  }
  void TearDown() override {
    setenv("PATH", path_.c_str(), 1);
    Resolve::TearDown();
  }
  void ExpectWorker(const std::string& argument, const std::string& library,
                    const std::vector<std::string>& end) {
    const Result<BackendSpec> spec = ResolveBackend(argument);
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    EXPECT_EQ(spec->argument, argument);
    EXPECT_EQ(spec->library, directory_ + library);
    ASSERT_EQ(spec->worker.size(), 6U);
    EXPECT_EQ(spec->worker[2], directory_ + "/python");
    EXPECT_EQ(std::vector<std::string>(spec->worker.begin() + 3, spec->worker.end()), end);
  }

  std::string path_;
};

TEST_F(ResolvePython, AModuleOrAFileRunsInAnInterpreter) {
  const std::string file = directory_ + "/mine.py";
  ExpectWorker("python:a.b:C", "/python3", {"module", "a.b", "C"});
  ExpectWorker("python:" + file + ":C", "/mine.py", {"file", file, "C"});
  ExpectWorker("python@python3.99:a.b:C", "/python3.99", {"module", "a.b", "C"});
  ExpectWorker("python@" + directory_ + "/python3:" + file + ":C", "/mine.py", {"file", file, "C"});
}

TEST_F(ResolvePython, WhatIsWrongIsSaidInOneLine) {
  const std::string want = "': want python:MODULE:NAME or python:FILE.py:NAME";
  for (const std::string argument : {"python:", "python:a", "python:a:", "python::C"}) {
    ExpectNone(argument, "backend '" + argument + want);
  }
  ExpectNone("python:" + directory_ + "/no.py:C",
             "backend 'python:" + directory_ + "/no.py:C': no file at " + directory_ + "/no.py");
  const Result<BackendSpec> spec = ResolveBackend("python@nosuch:a:C");
  EXPECT_EQ(spec.status().code(), StatusCode::kEnvironment);
  EXPECT_EQ(spec.status().message(),
            "backend 'python@nosuch:a:C': no interpreter 'nosuch'; --python names one");
}

TEST(ResolveWithInterpreter, BecomesPartOfTheArgument) {
  EXPECT_EQ(WithInterpreter("python:a:C", "/v/python"), "python@/v/python:a:C");
  EXPECT_EQ(WithInterpreter("python:a:C", ""), "python:a:C");
  EXPECT_EQ(WithInterpreter("python@p:a:C", "/v/python"), "python@p:a:C");
  EXPECT_EQ(WithInterpreter("one:two", "/v/python"), "one:two");
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
