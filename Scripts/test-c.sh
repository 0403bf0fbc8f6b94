#!/usr/bin/env bash
# Checks the shared library of the C interface as a program in C uses it: the samples in Samples/C are compiled against it and run; the static
# library, which has no data of ICU, gives the same vectors as the one that SwiftPM links; and a short run of the fuzzer.
#
#   Scripts/test-c.sh LIBRARY TOY [OTHER-LIBRARY]
#
#   LIBRARY   the library, such as .build/static/libMafinC.so
#   TOY       a folder with ART and INDEX; if it is not there, the tests of .build-test write it
set -euo pipefail
usage="usage: Scripts/test-c.sh LIBRARY TOY [OTHER-LIBRARY]"
library=$(realpath "${1:?$usage}")
toy=$(realpath -m "${2:?$usage}")
other=${3:+$(realpath "$3")}
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

Scripts/fetch-model.sh
if [ ! -d "$toy/INDEX" ]; then
    MAFIN_TOY_FOLDER="$toy" swift test --skip-build --disable-xctest -c release -Xswiftc -enable-testing --scratch-path .build-test \
        --filter InterfaceTests/aModelSaysWhatItIs >&2
fi
clang=$(dirname "$(realpath "$(command -v swiftc)")")/clang
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for sample in search encode; do
    "$clang" -std=c11 -D_GNU_SOURCE -Wall -Wextra -pedantic -Werror -I Sources/CMafin/include "Samples/C/$sample.c" "$library" \
        "-Wl,-rpath,$(dirname "$library")" -o "$work/$sample"
done

say "Samples/C/search"
"$work/search" "$toy/ART" "$toy/INDEX" "w5 w9" >"$work/found"
[ "$(grep -c '^[1-5]\. ' "$work/found")" = 5 ] || die "expected five results, found: $(cat "$work/found")"
