#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Holds backends/README.md to its word: its C code is that of first.c, both files build out of tree
# with the one line it shows and export nothing but the entry point, and, with the program `attest`
# as argument, the commands it shows end as it says.
#
#     backends/tutorial_test.sh [PATH_OF_ATTEST]
set -euo pipefail
attest=${1:-}
if [[ -n $attest ]]; then attest=$(realpath "$attest"); fi
root=$(cd "$(dirname "$0")/.." && pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

fail() {
  echo "tutorial_test: $*" >&2
  exit 1
}

# Every block of C code in the README stands in first.c, line for line.
code=$(<"$root/backends/null/tutorial/first.c")
blocks=0
block=
inside=0
while IFS= read -r line; do
  if [[ $line == '```c' ]]; then
    inside=1 block=
  elif [[ $line == '```' && $inside == 1 ]]; then
    inside=0 blocks=$((blocks + 1))
    [[ $code == *"$block"* ]] || fail "README.md: C block $blocks is not in first.c"
  elif [[ $inside == 1 ]]; then
    block+=$line$'\n'
  fi
done <"$root/backends/README.md"
((blocks >= 2)) || fail "README.md: $blocks blocks of C code"

cd "$room"
cp "$root/backends/null/null.c" "$root/backends/null/tutorial/first.c" .

# The command lines as they stand in the README.
build_null='cc -shared -fPIC -I"$ATTEST" -o libmy.so null.c'
build_first='cc -O2 -shared -fPIC -I"$ATTEST" -o libmy.so first.c -lm'
strict='-std=c99 -pedantic -Wall -Wextra -Werror'
export ATTEST=$root
for build in "$build_null" "$build_first"; do
  grep -qF -- "$build" "$root/backends/README.md" || fail "README.md: lacks the line: $build"
  eval "$build"
  symbols=$(nm -D --defined-only libmy.so | awk '$2 == "T" { print $3 }')
  [[ $symbols == attest_backend_open ]] || fail "exports: $symbols"
  eval "${build/cc /cc $strict }"
done
if [[ -z $attest ]]; then
  echo "tutorial_test: built; the program attest was not given"
  exit 0
fi

# expect STATUS: certifies libmy.so, at the smoke tier, for the profiles that follow.
expect() {
  local status=0
  rm -rf out
  "$attest" certify --backend ./libmy.so --tier smoke --out out >log 2>&1 || status=$?
  [[ $status == "$1" ]] || { cat log >&2; fail "$2: exit code $status, not $1"; }
}
eval "$build_null"
expect 1 "null.c, which claims nothing"
eval "$build_first"
expect 0 "first.c"
sed -i 's/k <= position/k < position/' first.c
grep -q 'k < position' first.c || fail "first.c: nothing to break"
eval "$build_first"
expect 1 "first.c with its own key missing"
echo "tutorial_test: null.c, first.c and the broken first.c behave as README.md says"
