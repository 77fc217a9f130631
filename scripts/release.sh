#!/usr/bin/env bash
# Builds what is released, into out/release: archives for each system, and
# SHA256SUMS. The same commit makes the same bytes, on any machine with the same Go.
#
#   scripts/release.sh v1.2.3                       everything
#   scripts/release.sh v1.2.3 linux/amd64           some of it
#   scripts/release.sh v1.2.3 deb                   the Debian packages
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:?"usage: scripts/release.sh VERSION [SYSTEM/ARCHITECTURE | deb]..."}
shift
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+([-+].+)?$ ]] || { echo "release: a version is v1.2.3, not $version" >&2; exit 2; }
(($#)) || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64 deb
out=${RELEASE_DIR:-out/release}
mkdir -p "$out"
# The time of everything in archives: that of the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

# build SYSTEM ARCHITECTURE FILE
build() {
	CGO_ENABLED=0 GOOS=$1 GOARCH=$2 GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false \
		-ldflags "-s -w -buildid= -X main.release=$version" -o "$3" ./cmd/rollcall
}

# pack DIR ARCHIVE: a tar with nothing of this machine in it.
pack() {
	tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=ustar -C "$(dirname "$1")" -cf - "$(basename "$1")" |
		gzip -n -9 >"$2"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

archive() {
	local system=$1 architecture=$2 name suffix=
	name=rollcall-$version-$system-$architecture
	[[ $system == windows ]] && suffix=.exe
	install -d "$work/$name"
	build "$system" "$architecture" "$work/$name/rollcall$suffix"
	install -m 0644 LICENSE NOTICE README.md CHANGELOG.md rollcall.yaml "$work/$name/"
	chmod 0755 "$work/$name" "$work/$name/rollcall$suffix"
	pack "$work/$name" "$out/$name.tar.gz"
	rm -rf "${work:?}/$name"
	echo "$out/$name.tar.gz"
}

deb() {
	local architecture=$1 root=$work/deb-$1 file=$out/rollcall_${version#v}_$1.deb
	install -d "$root/DEBIAN" "$root/usr/bin" "$root/etc/rollcall" "$root/usr/lib/systemd/system" "$root/usr/lib/sysusers.d" "$root/usr/share/doc/rollcall"
	build linux "$architecture" "$root/usr/bin/rollcall"
	chmod 0755 "$root/usr/bin/rollcall"
	install -m 0644 deploy/systemd/rollcall.service "$root/usr/lib/systemd/system/rollcall.service"
	install -m 0644 deploy/systemd/rollcall.sysusers "$root/usr/lib/sysusers.d/rollcall.conf"
	install -m 0644 deploy/deb/rollcall.yaml "$root/etc/rollcall/rollcall.yaml"
	install -m 0644 rollcall.yaml LICENSE NOTICE "$root/usr/share/doc/rollcall/"
	cp LICENSE "$root/usr/share/doc/rollcall/copyright"
	gzip -n -9 -c CHANGELOG.md >"$root/usr/share/doc/rollcall/changelog.gz"
	chmod 0644 "$root"/usr/share/doc/rollcall/*
	install -m 0755 deploy/deb/postinst deploy/deb/prerm "$root/DEBIAN/"
	echo /etc/rollcall/rollcall.yaml >"$root/DEBIAN/conffiles"
	cat >"$root/DEBIAN/control" <<-CONTROL
		Package: rollcall
		Version: ${version#v}
		Section: net
		Priority: optional
		Architecture: $architecture
		Maintainer: The Rollcall authors <packages@rollcall.invalid>
		Installed-Size: $(du -sk --apparent-size "$root" | cut -f1)
		Homepage: https://github.com/rollcall-rtc/rollcall
		Recommends: ca-certificates, systemd
		Suggests: ffmpeg, chromium
		Description: server of realtime rooms in which every event is accounted for
		 A self-hosted WebRTC room server in one binary, for unmodified LiveKit SDKs,
		 with a durable log of everything that happens and webhooks in order.
	CONTROL
	find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	dpkg-deb --root-owner-group -Zgzip --build "$root" "$file" >/dev/null
	rm -rf "$root"
	echo "$file"
}

for target in "$@"; do
	case $target in
	deb) deb amd64 && deb arm64 ;;
	deb/*) deb "${target#deb/}" ;;
	*/*) archive "${target%/*}" "${target#*/}" ;;
	*) echo "release: no target $target" >&2; exit 2 ;;
	esac
done
(cd "$out" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
