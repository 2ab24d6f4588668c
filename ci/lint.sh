#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The rules of the house that need no compiler. usage: ci/lint.sh [TREE]
# Prints each violation as "file:line: rule: what"; exit 1 if there is one. ci/lint_test.sh shows each rule failing.
set -uo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
cd "${1:-$here}" || exit 2

violations=0
report() { echo "$1"; violations=$((violations + 1)); }

sources() { find spec reference backends conformance property_tests coverage -type f \
  \( -name '*.h' -o -name '*.cc' -o -name '*.c' -o -name '*.cuh' -o -name '*.cu' \) 2>/dev/null | sort; }

# 1. The top level is the client's list and the tool files that must sit at the root.
check_top_level() {
  local allowed=" CMakeLists.txt spec reference backends conformance property_tests coverage ci README.md \
CMakePresets.json .clang-format .clang-tidy .gitignore .ci LICENSE "
  local entry
  for entry in $(if [ -e .git ]; then git ls-files | cut -d/ -f1 | sort -u; else ls -A; fi); do
    [[ "$allowed" == *" $entry "* ]] || report "$entry:1: top-level: not on the list of top-level entries"
  done
}

# 2. Data flows one way: no floor includes a floor above it; a backend includes the ABI and its own room only.
check_floors() {
  local file line include room
  while IFS= read -r file; do
    while IFS=: read -r line include; do
      include=${include#*\"}; include=${include%%\"*}
      case "$include" in spec/*|reference/*|backends/*|conformance/*|property_tests/*|coverage/*) ;; *) continue ;; esac
      case "$file" in
        spec/*) case "$include" in spec/*) continue ;; esac ;;
        reference/*) case "$include" in spec/*|reference/*) continue ;; esac ;;
        backends/*)
          room=$(echo "$file" | cut -d/ -f1,2)
          case "$include" in spec/abi/attest.h|"$room"/*) continue ;; esac
          case "$room:$include" in backends/cuda:backends/gpu/*|backends/hip:backends/gpu/*|backends/host:backends/gpu/*) continue ;; esac ;;
        conformance/*) case "$include" in spec/*|reference/*|conformance/*) continue ;; esac ;;
        property_tests/*) case "$include" in spec/*|reference/*|conformance/*|property_tests/*) continue ;; esac ;;
        coverage/*) case "$include" in spec/*|conformance/run/record.h|conformance/report/*|coverage/*) continue ;; esac ;;
      esac
      report "$file:$line: floors: must not include \"$include\""
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$file" || true)
  done < <(sources)
}

# 3. The suite treats every backend alike: no backend's name in the code that runs, judges or registers.
check_backend_names() {
  local names
  names=$(find backends -mindepth 1 -maxdepth 1 -type d 2>/dev/null | xargs -r -n1 basename | paste -sd'|')
  [ -n "$names" ] || return 0
  while IFS=: read -r file line _; do
    report "$file:$line: backend-name: the suite must not know a backend by name"
  done < <(find conformance/judge conformance/probe conformance/run conformance/suites -name '*.cc' -o -name '*.h' 2>/dev/null |
           grep -v '_test\.cc$' | xargs -r grep -nE "\"($names)\"" /dev/null | grep -vE '^[^:]*:[0-9]+:[[:space:]]*//' || true)
}

# 4. Speed is a benchmark: no assertion on a duration.
check_timed_assertions() {
  while IFS=: read -r file line _; do
    report "$file:$line: timed-assertion: speed belongs into attest bench"
  done < <(sources | grep -E '_(test|suite|property)\.cc$' |
           xargs -r grep -nE '(EXPECT|ASSERT)_(LT|LE|GT|GE|NEAR)\(.*(elapsed|seconds|duration|millis|micros|nanos|_ms\b|_us\b|_ns\b)' /dev/null || true)
}

# Does a GLOB for tests stand in a CMake file of the test's folder or of the one above?
globbed() {
  local folder
  folder=$(dirname "$1")
  { cat "$folder"/CMakeLists.txt "$folder"/*.cmake "$(dirname "$folder")"/*/CMakeLists.txt \
        "$(dirname "$folder")"/CMakeLists.txt 2>/dev/null || true; } | grep -qE '(GLOB.*|\})_test\.cc'
}

# 5. No orphans: each source file is built by some CMakeLists.txt (by name, or by a pattern of its folder).
check_orphans() {
  local file base
  while IFS= read -r file; do
    base=$(basename "$file")
    grep -rqF --include=CMakeLists.txt --include='*.cmake' --include='*_test.sh' "$base" . && continue
    [[ "$base" == *_test.cc ]] && globbed "$file" && continue
    report "$file:1: orphan: no CMakeLists.txt builds this file"
  done < <(sources | grep -E '\.(cc|c|cu)$')
}

# 6. Every source carries the licence; nothing is left for later.
check_headers() {
  local file
  while IFS= read -r file; do
    head -3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || report "$file:1: licence: no SPDX line"
  done < <(sources)
  while IFS=: read -r file line _; do
    report "$file:$line: unfinished: TODO, FIXME or XXX"
  done < <(sources | xargs -r grep -nE '\b(TODO|FIXME|XXX)\b' /dev/null || true)
}

# 7. One format, wherever the tree names one. A tree without clang-format-14 is told so, and not passed in silence.
check_format() {
  local file line
  [ -f .clang-format ] || return 0
  command -v clang-format-14 >/dev/null || { report ".clang-format:1: format: clang-format-14 is not installed"; return; }
  while IFS=: read -r file line _; do
    report "$file:$line: format: differs from .clang-format (clang-format-14 -i mends it)"
  done < <(sources | xargs -r clang-format-14 --dry-run 2>&1 | grep 'Wclang-format-violations')
}

check_top_level
check_floors
check_backend_names
check_timed_assertions
check_orphans
check_headers
check_format
if [ "$violations" -gt 0 ]; then echo "lint: $violations violations"; exit 1; fi
echo "lint: clean"
