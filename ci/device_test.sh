#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# ci/device.sh without a device: packed from a build, run on the families of host from a bare environment, with a
# stand-in for compute-sanitizer. usage: ci/device_test.sh BUILD_DIR
set -uo pipefail
cd "$(dirname "$0")/.." || exit 3
build=${1:?usage: ci/device_test.sh BUILD_DIR}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
failures=0
check() { # WHAT COMMAND...
  local what=$1
  shift
  if "$@" >"$room/log" 2>&1; then echo "ok    $what"; else
    echo "FAIL  $what: $*"
    tail -n 10 "$room/log" | sed 's/^/      | /'
    failures=$((failures + 1))
  fi
}
exits() { # CODE COMMAND...
  local wanted=$1 got=0
  shift
  "$@" || got=$?
  [ "$got" -eq "$wanted" ] || { echo "exit code $got, wanted $wanted"; return 1; }
}
# As on a machine that has nothing of ours; $path comes first on its PATH.
path=$room/none
device() { env -i PATH="$path:/usr/bin:/bin" "$room/folder/device.sh" run --evidence "$room/evidence" "$@"; }
has() { grep -qE "$2" "$room/evidence/$1"; }
own_libraries() {
  local found
  found=$(ldd "$room"/folder/bin/attest "$room"/folder/bin/attest-worker "$room"/folder/bin/libattest_host.so)
  ! grep -E 'not found' <<<"$found" && ! grep -E 'lib(stdc\+\+|fmt|crypto|boost)[^ ]* => /(usr|lib)' <<<"$found"
}

check "a build is packed" ci/device.sh pack "$build" "$room/folder"
check "a folder that is in use is not packed into" exits 2 ci/device.sh pack "$build" "$room/folder"
check "programs find their libraries beside them" own_libraries

check "a family passes" device --families host --only naive --steps "certify graph properties memcheck" --tier smoke --cases 3
check "its certificate is kept" test -s "$room/evidence/certificate-host.naive.json"
check "each step has its line" test "$(grep -c '^[a-z]* host.naive passed exit=0 ' "$room/evidence/steps.txt")" -eq 3
check "without a sanitizer it has not run" has steps.txt '^memcheck host.naive not-run '
check "the device is named" has device.txt '^device: fibers of the host processor'
check "the commit is named" has device.txt '^commit: [0-9a-f]{40}'

mkdir "$room/tools"
cat >"$room/tools/compute-sanitizer" <<'TOOL'
#!/usr/bin/env bash
[ "$1 $3 $5" = "--tool --target-processes --error-exitcode" ] || exit 2
echo "stand-in for $2"
[ ! -e "$(dirname "$0")/finds" ] || exit "$6"
exit 0
TOOL
chmod +x "$room/tools/compute-sanitizer"
path=$room/tools
check "a sanitizer that finds nothing passes" device --families host --only naive --steps "memcheck racecheck"
check "and is recorded" has steps.txt '^racecheck host.naive passed exit=0 '
check "once" test "$(grep -c '^memcheck' "$room/evidence/steps.txt")" -eq 1
check "earlier steps stay" has steps.txt '^graph host.naive passed '
touch "$room/tools/finds"
check "a sanitizer that finds something fails" exits 1 device --families host --only naive --steps racecheck
check "with its code" has steps.txt '^racecheck host.naive FAILED exit=66 '

check "a wrong graph fails" exits 1 device --families host --only flash,graph_mistake=table-as-strided --steps graph --tier smoke
check "a device that is absent is no failure, and no run" exits 3 device --families host --only flash,device=1 --steps graph --tier smoke
check "and is recorded as such" has steps.txt '^graph host.flash,device=1 no-device exit=3 '
check "host without a place for evidence is bad usage" exits 2 "$room/folder/device.sh" run --families host
check "an unknown step is bad usage" exits 2 device --families host --steps everything
check "an unknown family is bad usage" exits 2 device --families host --only cpu
check "a library that was not built is bad usage" exits 2 device --families cuba
echo "$failures failed"
[ "$failures" -eq 0 ]
