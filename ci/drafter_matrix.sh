#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Which family serves which public drafter, measured: each draft config that is complete against each host family.
# usage: ci/drafter_matrix.sh ATTEST  prints the table of conformance/evidence/drafters.md
set -uo pipefail
attest=$(realpath "$1")
cd "$(dirname "$0")/.."

# What came of one pair: "served, 15 problems", "refused: REASON", or the verdict's lines, which no approved table holds.
outcome() {
  local text
  text=$("$attest" certify --backend "host.$2" --drafter "$1" --profile dflash 2>/dev/null)
  case $? in
    0) echo "served, $(grep -oE 'pass [0-9]+' <<<"$text" | head -1 | cut -d' ' -f2) problems" ;;
    *) sed -nE 's/.*requested, but not claimed: /refused: /p; s/^ *([0-9]+ of [0-9]+) problems of the drafter are not served: /refused \1: /p; s/.*expected cases did not pass/WRONG/p' <<<"$text" | tail -1 ;;
  esac
}

families="flash flex prefix unified aiter_unified"
printf '| drafter |'
printf ' %s |' $families
printf '\n|---|'
printf -- '---|%.0s' $families
printf '\n'
for config in spec/drafter/configs/*.json; do
  "$attest" drafter problems --draft "$config" >/dev/null 2>&1 || continue  # lacks what a problem needs
  printf '| %s |' "$(basename "$config" .json)"
  for family in $families; do printf ' %s |' "$(outcome "$config" "$family")"; done
  printf '\n'
done
