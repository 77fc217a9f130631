#!/usr/bin/env bash
# Runs each fuzz target for a while, under the race detector:
# FUZZTIME=20s scripts/fuzz.sh [package...]
set -uo pipefail
cd "$(dirname "$0")/.."

passed=0
failed=()
for dir in $(go list -f '{{.Dir}}' "${@:-./...}"); do
	for target in $(grep -hos 'func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | cut -d' ' -f2); do
		echo "=== $target in ${dir#"$PWD"/}"
		# Minimizing an input that shares no coverage with itself, because of a
		# map's order, would take all the time.
		if CGO_ENABLED=1 go test -race -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-20s}" -fuzzminimizetime 10x "$dir"; then
			passed=$((passed + 1))
		else
			failed+=("$target in ${dir#"$PWD"/}")
		fi
	done
done

((${#failed[@]})) && printf 'failed: %s\n' "${failed[@]}"
echo "$passed passed, ${#failed[@]} failed"
((${#failed[@]} == 0 && passed > 0))
