#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Line and branch coverage of a build made with the "coverage" preset whose tests have run.
# usage: coverage/lines.sh BUILD_DIR [OUT_DIR]
# Writes OUT_DIR/coverage.info (and html/ with --html as third argument), prints the share of lines by folder,
# and fails below the floors of coverage/floors.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: coverage/lines.sh BUILD_DIR [OUT_DIR] [--html]}
out=${2:-$build/coverage}
mkdir -p "$out"
# lcov 1.16 prints "Subroutine redefined" noise on stderr.
quiet() {
  local log
  log=$(mktemp)
  "$@" 2>"$log" || { cat "$log" >&2; exit 4; }
  rm -f "$log"
}

# Only the product's own objects: tests and their wrong backends are not what is measured, and geninfo takes about
# half a second an object.
objects=()
while IFS= read -r folder; do objects+=(-d "$folder"); done < <(
  find "$build" -path '*/CMakeFiles/*.dir' -prune -name '*.dir' | grep -vE '_test\.dir$|/testing/' | sort)

# The baseline counts files that no test ever ran.
quiet lcov -q -c -i "${objects[@]}" -o "$out/base.info" --no-external -b "$PWD" &
baseline=$!
quiet lcov -q -c "${objects[@]}" -o "$out/run.info" --no-external -b "$PWD"
wait "$baseline"
quiet lcov -q -a "$out/base.info" -a "$out/run.info" -o "$out/all.info"
quiet lcov -q -r "$out/all.info" '*_test.cc' '*/testing/*' "$PWD/build/*" -o "$out/coverage.info"
if [ "${3:-}" = --html ]; then quiet genhtml -q --legend "$out/coverage.info" -o "$out/html"; fi

# Lines found and hit by top-level folder, straight from the trace file.
awk -F'[:,]' -v root="$PWD/" '
  /^SF:/ { file = substr($0, 4); sub(root, "", file); split(file, part, "/"); room = part[1] }
  /^DA:/ { found[room]++; if ($3 > 0) hit[room]++ }
  END { for (room in found) printf "%s %d %d\n", room, hit[room], found[room] }' "$out/coverage.info" |
  sort >"$out/by_room.txt"

below=0
while read -r room floor; do
  line=$(grep "^$room " "$out/by_room.txt" || echo "$room 0 0")
  read -r _ hit found <<<"$line"
  share=$(awk -v h="$hit" -v f="$found" 'BEGIN { printf "%.1f", f ? 100 * h / f : 0 }')
  verdict=ok
  if awk -v s="$share" -v f="$floor" 'BEGIN { exit !(s < f) }'; then verdict="below the floor"; below=1; fi
  printf 'coverage: %-12s %5s %% of %5d lines (floor %s %%): %s\n' "$room" "$share" "$found" "$floor" "$verdict"
done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' coverage/floors.txt)
exit $below
