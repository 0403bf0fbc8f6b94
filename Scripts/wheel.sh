#!/usr/bin/env bash
# Makes the Python wheel: dist/mafin_embeddings-VERSION-py3-none-manylinux_2_28_MACHINE.whl. It holds the program, the shared library with
# Swift's runtime, the Python package, the sample, completions and man pages. It holds no weights.
#
#   Scripts/wheel.sh [FOLDER [OUTPUT]]      FOLDER of built products (default: build, and use .build/release); OUTPUT: default dist
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

output=${2:-dist}
Scripts/static.sh ${1:+"$1"} >&2
share=.build/static/share
rm -rf "$share"
Scripts/manual.sh .build/static/mafin "$share"
mkdir -p "$share/mafin" "$output"
built=$(realpath "${1:-.build/release}")
cp -R Samples/handbook "$share/mafin/handbook"
# Its environment was made by static.sh.
wheel=$("$cache/wheel-tools/bin/python" Scripts/make_wheel.py --program .build/static/mafin --library .build/static/libMafinC.so --share "$share" \
    --header Sources/CMafin/include/mafin.h --package Python/src/mafin_embeddings --checkouts "$built/../../checkouts" \
    --tag "py3-none-manylinux_2_28_$(uname -m)" --largest 40 --output "$output")
say "$wheel: $(du -k "$wheel" | cut -f 1) kB"
echo "$wheel"
