# shellcheck shell=bash
# What the scripts here have in common that get what tests need; they source it.

# again COMMAND ARGUMENT...: runs what gets something from networks, up to three times:
# that a registry once does not answer is no reason for half an hour of tests to fail.
again() {
	local attempt
	for attempt in 1 2 3; do
		"$@" && return
		echo "attempt $attempt of 3 failed: $*" >&2
		((attempt == 3)) || sleep $((attempt * 10))
	done
	return 1
}

# need COMMAND PACKAGE...: notes the Debian packages to install for a command.
packages=()
need() {
	local command=$1
	shift
	command -v "$command" >/dev/null || packages+=("$@")
}

# need_receivers: those of receivers in five languages, but Go and Node.
need_receivers() {
	need python3 python3
	python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3-venv)
	need javac default-jdk-headless
	need mvn maven
	need cargo cargo
}

# install_packages: installs what was noted. Who calls it has die MESSAGE.
install_packages() {
	((${#packages[@]})) || return 0
	local root=()
	if [[ $(id -u) != 0 ]]; then
		command -v sudo >/dev/null || die "missing ${packages[*]}: install them, or run this as root or with sudo"
		root=(sudo)
	fi
	command -v apt-get >/dev/null || die "missing ${packages[*]}, and there is no apt-get to install them with"
	echo "installing Debian packages: ${packages[*]}" >&2
	again "${root[@]}" apt-get update -qq &&
		again "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
		die "apt-get could not install ${packages[*]}"
}

# npm_ci DIR: the npm packages of the lock file there, unless they are there.
npm_ci() {
	local dir=$1
	[[ -f $dir/node_modules/.package-lock.json && $dir/node_modules/.package-lock.json -nt $dir/package-lock.json ]] && return 0
	echo "installing npm packages of $dir by its lock file"
	(cd "$dir" && again npm ci --no-audit --no-fund --loglevel=error)
}

# python_with DIR LIST: a Python in DIR that has the packages of a list of versions,
# which names all of them.
python_with() {
	local dir=$1 list=$2 sum
	sum=$(sha256sum <"$list")
	[[ -f $dir/sum && $(<"$dir/sum") == "$sum" ]] && return 0
	echo "installing the Python packages of $list"
	rm -rf "$dir"
	python3 -m venv "$dir" &&
		again "$dir/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$list" &&
		echo "$sum" >"$dir/sum"
}

# gotool DIR COMMAND PACKAGE VERSION: a program in Go, in DIR.
gotool() {
	[[ -x $1/$2 && $(go version -m "$1/$2") == *"$4"* ]] && return 0
	echo "building $3@$4"
	mkdir -p "$1"
	again env GOBIN="$1" GOFLAGS=-mod=mod CGO_ENABLED=0 go install "$3@$4"
}
