#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: no_spills.sh LOG KERNEL...   Reads what `ptxas -v` printed and fails when a kernel whose name contains one of
# the given texts keeps something in memory that belongs into registers, or when there is no such kernel.
set -euo pipefail
log=${1:?usage: no_spills.sh LOG KERNEL...}
shift
status=0
for kernel in "$@"; do
  found=$(c++filt <"$log" | awk -v name="$kernel" '
    /Function properties for/ { own = index($0, name) > 0; next }
    own && /stack frame/ { total++; if ($0 !~ /^ *0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads/) bad++; own = 0 }
    END { printf "%d %d", total, bad }')
  read -r total bad <<<"$found"
  echo "$kernel: $total compiled, $bad with spills or a stack frame"
  if [ "$total" -eq 0 ] || [ "$bad" -gt 0 ]; then status=1; fi
done
exit $status
