#!/usr/bin/env bash
# Makes the Python wheel: dist/mafin_embeddings-VERSION-py3-none-manylinux_2_28_MACHINE.whl. It holds the program, the shared library with
# Swift's runtime, the Python package, the sample, completions and man pages. It holds no weights.
#
#   Scripts/wheel.sh [FOLDER]      FOLDER of built products (default: build, and use .build/release)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

Scripts/static.sh "$@" >&2
share=.build/static/share
rm -rf "$share"
Scripts/manual.sh .build/static/mafin "$share"
mkdir -p "$share/mafin" dist
built=$(realpath "${1:-.build/release}")
cp -R Samples/handbook "$share/mafin/handbook"
wheel=$(python3 Scripts/make_wheel.py --program .build/static/mafin --library .build/static/libMafinC.so --share "$share" \
    --header Sources/CMafin/include/mafin.h --package Python/src/mafin_embeddings --checkouts "$built/../../checkouts" \
    --tag "py3-none-manylinux_2_28_$(uname -m)" --largest 40 --output dist)
say "$wheel: $(du -k "$wheel" | cut -f 1) kB"
echo "$wheel"
