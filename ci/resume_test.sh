#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A run killed with -9, again and again, resumes to the records of a run that nobody disturbed.
# usage: ci/resume_test.sh PATH_OF_ATTEST [BACKEND] [TIER]
set -euo pipefail
attest=$(realpath "${1:?usage: ci/resume_test.sh PATH_OF_ATTEST [BACKEND] [TIER]}")
backend=${2:-cpu}
tier=${3:-smoke}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

"$attest" certify --backend "$backend" --tier "$tier" --out "$room/whole" >/dev/null 2>&1

kills=0
arguments=(--out "$room/broken")
# The delays grow, so that the run is cut in its first milliseconds, in its middle, and at last not at all.
for delay in 0.005 0.01 0.02 0.05 0.05 0.1 0.1 0.15 0.2 0.2 0.3 0.4; do
  "$attest" certify --backend "$backend" --tier "$tier" "${arguments[@]}" >/dev/null 2>&1 &
  pid=$!
  sleep "$delay"
  if kill -9 "$pid" 2>/dev/null; then kills=$((kills + 1)); fi
  wait "$pid" 2>/dev/null || true
  [ -e "$room/broken/journal" ] && arguments=(--resume "$room/broken")
  [ -e "$room/broken/certificate.json" ] && break
done
[ -e "$room/broken/certificate.json" ] ||
  "$attest" certify --backend "$backend" --tier "$tier" "${arguments[@]}" >/dev/null 2>&1
cmp "$room/whole/records.jsonl" "$room/broken/records.jsonl"
"$attest" verify "$room/broken" >/dev/null
[ "$kills" -ge 3 ] || { echo "resume_test: killed only $kills times; nothing was proved" >&2; exit 1; }
echo "resume_test: killed $kills times, records equal"
