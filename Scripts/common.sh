# Sourced by every script here. Goes to the repository's root and defines shared functions.
# Messages for people go to stderr; stdout is for results.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export cache="$PWD/.cache"

# Headers of Homebrew that have no file for pkg-config (hnswlib).
if [ "$(uname -s)" = Darwin ] && command -v brew >/dev/null; then
    CPATH="$(brew --prefix)/include${CPATH:+:$CPATH}"
    export CPATH
fi

say() { printf '==> %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Installs Debian packages, as root or through sudo. If neither is possible, stops and prints the command to run.
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

# Makes sure that `python3 -m pip` works. Installs pip if the system's Python has none.
need_pip() {
    command -v python3 >/dev/null || die "python3 is needed to download packages; please install Python 3"
    python3 -m pip --version >/dev/null 2>&1 && return
    if command -v apt-get >/dev/null; then apt_install python3-pip; fi
    python3 -m pip --version >/dev/null 2>&1 \
        || die "'$(command -v python3) -m pip' does not work; please install pip for that Python"
}

# Makes a Python environment in .cache/NAME and installs the packages into it, once for each list of packages. Prints the path of its python.
python_with() {
    local folder="$cache/$1"
    shift
    if [ "$(cat "$folder/ready" 2>/dev/null)" != "$*" ]; then
        say "installing ${*%%[<>=]*} into ${folder#"$PWD/"}"
        rm -rf "$folder"
        python3 -m venv "$folder" >&2 || die "'python3 -m venv' does not work here"
        "$folder/bin/python" -m pip --disable-pip-version-check install --quiet "$@" </dev/null >&2 \
            || die "pip could not install $*"
        echo "$*" >"$folder/ready"
    fi
    echo "$folder/bin/python"
}

# Prints the path of promtool. Debian's package is unpacked into .cache. It is not installed, because it would start a server.
find_promtool() {
    local tool="$cache/promtool/usr/bin/promtool"
    command -v promtool && return
    if [ ! -x "$tool" ]; then
        command -v apt-get >/dev/null || die "please install promtool (it comes with Prometheus)"
        say "downloading promtool into .cache/promtool"
        rm -rf "$cache/promtool" && mkdir -p "$cache/promtool"
        (cd "$cache/promtool" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; } \
            && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb) </dev/null >"$cache/promtool/log" 2>&1 \
            || { tail -n 5 "$cache/promtool/log" >&2; die "promtool could not be downloaded"; }
    fi
    echo "$tool"
}

# Prints, one a line, the maps of the C modules that modules built in FOLDER need: those that the build made, then those with a map of their own.
module_maps() { # FOLDER
    local map module known=" "
    for map in "$1"/*.build/module.modulemap "$PWD"/Sources/C*/module.modulemap "$1"/../../checkouts/*/Sources/*/{,include/}module.modulemap; do
        [ -f "$map" ] || continue
        module=$(sed -n 's/^ *module \([A-Za-z0-9_]*\).*/\1/p' "$map" | head -n 1)
        [[ "$known" != *" $module "* ]] || continue
        known+="$module "
        printf '%s\n' "$map"
    done
}
