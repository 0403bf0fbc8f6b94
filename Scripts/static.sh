#!/usr/bin/env bash
# Links the program and the shared library of the C interface with Swift's runtime, zlib, libpng, libjpeg-turbo and SQLite inside: .build/static/mafin and
# .build/static/libMafinC.so. They run on every x86-64 or arm64 Linux with glibc 2.28 or newer (Debian 10, Ubuntu 20.04, RHEL 8); the script
# fails if one of them needs a newer one. It builds them first, if needed (`make build`).
#
#   Scripts/static.sh [FOLDER]      FOLDER of built products (default: build, and use .build/release)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ "$(uname -s)" = Linux ] || die "static products are for Linux; on a Mac, 'make build' makes a program that needs nothing else"
folder=${1:-}
if [ -z "$folder" ]; then
    Scripts/build.sh mafin >&2
    Scripts/build.sh MafinC >&2
    folder=.build/release
fi
need_pip
# zig: stubs of an older glibc. deflate: for Scripts/make_wheel.py, which wheel.sh runs with the same Python.
python=$(python_with wheel-tools ziglang==0.17.1 deflate==0.9.0)

export ZIG_GLOBAL_CACHE_DIR="$cache/zig"
for product in "program mafin mafin" "library MafinC libMafinC.so"; do
    read -r kind name file <<<"$product"
    say "linking $file"
    "$python" Scripts/static/link_static.py "$kind" "$folder" "$name" ".build/static/$file"
    python3 Scripts/static/check_binary.py ".build/static/$file" --most 2.28
done
