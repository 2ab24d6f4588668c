// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/find_case.h"

#include "conformance/run/files.h"
#include "spec/cases/case_json.h"

namespace attest {

bool IsCaseFile(const std::string& what) { return what.ends_with(".json"); }

Result<Case> FindOrReadCase(const CaseSet& cases, const std::string& what) {
  if (!IsCaseFile(what)) return FindCase(cases, what);
  const Result<std::string> text = ReadFile(what);
  if (!text.ok()) return text.status();
  return CaseFromJson(*text, what);
}

}  // namespace attest
