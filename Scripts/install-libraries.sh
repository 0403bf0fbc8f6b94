#!/usr/bin/env bash
# Installs the system libraries that the package links, if they are missing: zlib (for .gz collections), SQLite (for the
# cache of paid vectors), libpng and libjpeg-turbo (for images), hnswlib (headers, for graphs of near documents) and pkg-config (with
# which SwiftPM finds libraries). Prints nothing if there is nothing to do.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v swift >/dev/null || die "swift is not on the PATH; mafin needs Swift 6.2 or later (https://www.swift.org/install)"

# hnswlib has no file for pkg-config.
has_header() { echo "#include <$1>" | clang++ -std=c++17 -E -x c++ - >/dev/null 2>&1; }

# macOS ships zlib and SQLite with its SDK.
if [ "$(uname -s)" = Darwin ]; then
    if command -v pkg-config >/dev/null && pkg-config --exists libpng libjpeg 2>/dev/null && has_header hnswlib/hnswlib.h; then exit 0; fi
    die "please install pkg-config, libpng, libjpeg-turbo and hnswlib (with Homebrew: brew install pkgconf libpng jpeg-turbo hnswlib)"
fi

missing=()
command -v pkg-config >/dev/null || missing+=(pkg-config)
pkg-config --exists zlib 2>/dev/null || missing+=(zlib1g-dev)
pkg-config --exists sqlite3 2>/dev/null || missing+=(libsqlite3-dev)
pkg-config --exists libpng 2>/dev/null || missing+=(libpng-dev)
pkg-config --exists libjpeg 2>/dev/null || missing+=(libjpeg-dev)
has_header hnswlib/hnswlib.h || missing+=(libhnswlib-dev)
[ "${#missing[@]}" -eq 0 ] && exit 0

command -v apt-get >/dev/null \
    || die "please install pkg-config and the development files of zlib, SQLite, libpng, libjpeg-turbo and hnswlib (on Debian: ${missing[*]})"
apt_install "${missing[@]}"
