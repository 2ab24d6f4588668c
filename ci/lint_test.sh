#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Each rule of ci/lint.sh is shown a tree that breaks it, and one that does not.
set -uo pipefail
cd "$(dirname "$0")/.."
lint=$PWD/ci/lint.sh
failures=0

# expect NAME PATTERN: runs lint on a small good tree after `plant` spoiled it, and wants PATTERN in its output.
good_tree() {
  mkdir -p "$1"/{spec/abi,reference,backends/demo,backends/other,conformance/judge,ci}
  echo '/* SPDX-License-Identifier: Apache-2.0 */' >"$1/spec/abi/attest.h"
  printf '// SPDX-License-Identifier: Apache-2.0\n#include "spec/abi/attest.h"\n' >"$1/backends/demo/demo.cc"
  printf '// SPDX-License-Identifier: Apache-2.0\n#include "spec/abi/attest.h"\n' >"$1/reference/oracle.cc"
  printf '// SPDX-License-Identifier: Apache-2.0\n' >"$1/conformance/judge/judge_test.cc"
  echo 'demo.cc oracle.cc judge_test.cc' >"$1/CMakeLists.txt"
}
expect() {
  local name=$1 pattern=$2 tree out
  tree=$(mktemp -d)
  good_tree "$tree"
  (cd "$tree" && plant)
  out=$("$lint" "$tree")
  if ! grep -qE "$pattern" <<<"$out"; then
    echo "FAIL $name: wanted /$pattern/, got: $out"
    failures=$((failures + 1))
  fi
  rm -rf "$tree"
}

plant() { :; };                                                                    expect clean '^lint: clean$'
plant() { mkdir docs; };                                                           expect top-level '^docs:1: top-level'
plant() { echo '#include "conformance/judge/x.h"' >>reference/oracle.cc; };        expect floors '^reference/oracle.cc:3: floors'
plant() { echo '#include "backends/other/x.h"' >>backends/demo/demo.cc; };         expect foreign-backend '^backends/demo/demo.cc:3: floors'
plant() { echo '#include "spec/vocabulary/mask.h"' >>backends/demo/demo.cc; };     expect backend-vocabulary '^backends/demo/demo.cc:3: floors'
plant() { printf '// SPDX-License-Identifier: Apache-2.0\nif (n == "demo") {}\n' >conformance/judge/a.h; }; expect backend-name 'a.h:2: backend-name'
plant() { echo 'EXPECT_LT(elapsed, 3);' >>conformance/judge/judge_test.cc; };      expect timed 'judge_test.cc:2: timed-assertion'
plant() { printf '// SPDX-License-Identifier: Apache-2.0\n' >reference/lost.cc; }; expect orphan '^reference/lost.cc:1: orphan'
plant() { echo 'int x;' >reference/bare.h; };                                      expect licence '^reference/bare.h:1: licence'
plant() { echo '// TODO later' >>reference/oracle.cc; };                           expect unfinished '^reference/oracle.cc:3: unfinished'
plant() { echo 'BasedOnStyle: Google' >.clang-format; echo 'int  x ;' >>reference/oracle.cc; }; expect format '^reference/oracle.cc:3: format'

[ "$failures" -eq 0 ] && echo "lint_test: every rule fails on its violation"
exit $((failures > 0))
