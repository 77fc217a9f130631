#!/usr/bin/env bash
# Runs the benchmarks and says on what: scripts/bench.sh [package...]
# BENCHTIME (1s) and COUNT (1) go to the go command.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "cpu: $(awk -F ': ' '/^model name/ { print $2; exit }' /proc/cpuinfo 2>/dev/null || uname -m), $(getconf _NPROCESSORS_ONLN) cores"
echo "os:  $(uname -sr)"
echo "go:  $(go version | cut -d' ' -f3)"

# One package after the other: two at a time would share the cores.
go test -p 1 -run '^$' -bench . -benchmem -benchtime "${BENCHTIME:-1s}" -count "${COUNT:-1}" "${@:-./...}" |
	grep -v -e 'no test files' -e '^PASS$'
