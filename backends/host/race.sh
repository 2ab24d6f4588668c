#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: race.sh BUILD_DIR [FAMILY...]   Tier smoke of each family with every GPU thread a thread of ThreadSanitizer
# that only barriers and collectives order with the others. First it must find the races that are planted.
# Needs the targets attest and attest_race.
set -uo pipefail
build=$(cd "${1:?usage: race.sh BUILD_DIR [FAMILY...]}" && pwd)
shift
families=("$@")
[ ${#families[@]} -gt 0 ] || families=(naive flash flex unified aiter_unified prefix)
raced=66
export TSAN_OPTIONS="halt_on_error=1 exitcode=$raced"
status=0

# expect CODE MISTAKE ORDER
expect() {
  local log got
  log=$("$build/tsan/planted" "$2" "$3" 2>&1)
  got=$?
  if [ "$got" -ne "$1" ]; then
    echo "planted $2, $3: exit $got, wanted $1"
    status=1
  elif [ "$1" -eq "$raced" ] && ! grep -q 'planted.h:[0-9]' <<<"$log"; then
    echo "planted $2, $3: the race is not named by its line"
    status=1
  fi
}
for order in plain reversed shuffled; do
  expect 0 none $order
  expect $raced missing-barrier $order
  expect $raced missing-trailing-barrier $order
done
[ $status -eq 0 ] && echo "planted races: each found and named by its line, none in the right kernel"

for family in "${families[@]}"; do
  # Two threads of the processor, so that blocks too run without an order. Deadlines are for speed, not for races.
  if ATTEST_BIN=$build/tsan "$build/bin/attest" certify --backend "host.$family,threads=2" --tier smoke \
      --deadline-floor 300 >"$build/tsan/$family.txt" 2>&1; then
    echo "host.$family: no race in tier smoke"
  else
    echo "host.$family: exit $?"
    tail -n 40 "$build/tsan/$family.txt"
    status=1
  fi
done
exit $status
