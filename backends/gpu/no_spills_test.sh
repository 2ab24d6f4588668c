#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# no_spills.sh accepts a clean log, and refuses spills, a stack frame and a log without the kernel.
set -uo pipefail
check=$(dirname "$0")/no_spills.sh
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
# expect CODE STACK SPILLS KERNEL
expect() {
  printf 'ptxas info : Function properties for _Z3FooILi128EEvv\n    %d bytes stack frame, %d bytes spill stores, 0 bytes spill loads\n' \
    "$2" "$3" >"$log"
  "$check" "$log" "$4" >/dev/null
  local got=$?
  [ "$got" -eq "$1" ] || { echo "stack $2, spills $3, kernel $4: exit $got, wanted $1"; failed=1; }
}
expect 0 0 0 'Foo<128>'
expect 1 16 0 'Foo<128>'
expect 1 0 8 'Foo<128>'
expect 1 0 0 'Foo<256>'
exit $failed
