// SPDX-License-Identifier: Apache-2.0
//
// attest_case_ids FILE: adds the ids of all cases to FILE, which keeps every id there ever was.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

#include "spec/cases/case.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: attest_case_ids FILE\n";
    return 2;
  }
  const attest::Result<attest::CaseSet> set = attest::LoadCases();
  if (!set.ok()) {
    std::cerr << set.status().message() << '\n';
    return 2;
  }
  std::set<std::string> ids;
  std::ifstream old(argv[1]);
  for (std::string line; std::getline(old, line);) ids.insert(line);
  old.close();
  for (const attest::Case& value : set->cases) ids.insert(value.id);
  const std::string fresh = std::string(argv[1]) + ".new";
  std::ofstream out(fresh);
  for (const std::string& id : ids) out << id << '\n';
  out.close();
  if (!out || std::rename(fresh.c_str(), argv[1]) != 0) {
    std::cerr << argv[1] << ": cannot be written\n";
    return 3;
  }
  return 0;
}
