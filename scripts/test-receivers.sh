#!/usr/bin/env bash
# Builds receivers of webhooks around other people's libraries, in five
# languages, and lets them verify what the server sends; see test/receivers.
#
#   scripts/test-receivers.sh [-update]     -update writes docs/compat-receivers.md
#
# Versions come from lock files. What was built for the same lock files and
# sources is used again. On a Debian machine it installs what is missing and
# says so.
set -euo pipefail
cd "$(dirname "$0")/.."

src=test/receivers
out=out/receivers
mkdir -p "$out"

say() { echo "receivers: $*" >&2; }
die() {
	say "$@"
	exit 1
}

source scripts/packages.sh

# built NAME FILE...: builds with build_NAME, unless that was done with these files.
built() {
	local name=$1 began=$SECONDS sum
	shift
	sum=$(cat "$@" | sha256sum)
	[[ $name != node || -d $src/node/node_modules && -d examples/node/node_modules ]] || rm -f "$out/node.sum"
	if [[ -f $out/$name.sum && $(<"$out/$name.sum") == "$sum" ]]; then
		return 0
	fi
	rm -f "$out/$name.sum"
	"build_$name"
	echo "$sum" >"$out/$name.sum"
	say "built $name in $((SECONDS - began)) s"
}

build_go() {
	(cd "$src/go" && go vet ./... && go build -o "../../../$out/go/receiver" .)
}

build_node() {
	local dir
	for dir in "$src/node" examples/node; do
		(cd "$dir" && again npm ci --no-audit --no-fund --loglevel=error >/dev/null)
	done
}

build_python() {
	python_with "$out/python" "$src/python/requirements.txt"
	"$out/python/bin/pip" check
}

build_jvm() {
	rm -rf "$out/jvm"
	mkdir -p "$out/jvm/classes"
	again mvn -q -B -f "$src/jvm/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
		-DoutputDirectory="$PWD/$out/jvm/lib" -DincludeScope=runtime
	javac --release 17 -Werror -cp "$out/jvm/lib/*" -d "$out/jvm/classes" "$src/jvm/Receiver.java"
}

build_rust() {
	local dir
	for dir in "$src/rust" examples/rust; do
		CARGO_TARGET_DIR="$PWD/$out/rust" cargo build -q --locked --manifest-path "$dir/Cargo.toml"
	done
}

command -v go >/dev/null || die "Go is missing; go.mod says which version"
command -v node >/dev/null || die "Node is missing; want 20.19 or newer"
need_receivers
install_packages

# They wait for the network at first, each for another registry: all go along.
builds=()
built rust {"$src",examples}/rust/{Cargo.*,src/*} &
builds+=($!)
built go "$src"/go/* &
builds+=($!)
built node "$src/node/package-lock.json" examples/node/package-lock.json &
builds+=($!)
built python "$src/python/requirements.txt" &
builds+=($!)
built jvm "$src"/jvm/* &
builds+=($!)
for build in "${builds[@]}"; do
	wait "$build" || die "not every receiver was built"
done

go run "./$src" -build "$out" "$@"
