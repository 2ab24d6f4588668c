#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: logged.sh LOG COMMAND...   Keeps what the command prints; shows it when the command fails.
log=$1
shift
"$@" >"$log" 2>&1 && exit 0
status=$?
cat "$log" >&2
exit $status
