# Sourced by every script here: goes to the repository's root and defines what they share.
# Words for people go to stderr; stdout is for results.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export cache="$PWD/.cache"

say() { printf '==> %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Installs Debian packages, as root or through sudo; dies with the line to type where neither is possible.
apt_install() {
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "please run as root: apt-get install $*"
        sudo=sudo
    fi
    local log
    log=$(mktemp)
    say "installing $*"
    if ! { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } \
        </dev/null >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        die "apt-get could not install $*"
    fi
    rm -f "$log"
}

# Makes sure that `python3 -m pip` works, installing it where the system's Python comes without.
need_pip() {
    command -v python3 >/dev/null || die "python3 is needed to download packages; please install Python 3"
    python3 -m pip --version >/dev/null 2>&1 && return
    if command -v apt-get >/dev/null; then apt_install python3-pip; fi
    python3 -m pip --version >/dev/null 2>&1 \
        || die "'$(command -v python3) -m pip' does not work; please install pip for that Python"
}
