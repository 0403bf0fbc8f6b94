#!/usr/bin/env bash
# Tests what reaches users, from the build that `make test` made: the wheel, installed, with the packages that it adapts to; the C interface;
# the samples; the pages of the library. Only Samples/SwiftClient compiles mafin again. The wheel stays in .build-test/dist: it is linked from
# testable code, so it is not the one to publish (`make wheel`).
#
#   MAFIN_FUZZ_SECONDS   of the fuzzer of the C interface (default: 10)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

part() { say "$* ($SECONDS s after the start)"; }

if [ "$(uname -s)" = Linux ]; then
    part "the wheel"
    rm -rf .build-test/dist
    wheel=$(Scripts/wheel.sh .build-test/release .build-test/dist)
    MAFIN_WHEEL=$(realpath "$wheel") Scripts/test-python.sh
    part "the C interface"
    Scripts/test-c.sh .build/static/libMafinC.so .build-test/toy .build-test/release/libMafinC.so
else
    say "left out: the wheel and the static C library, which are for Linux"
    Scripts/test-python.sh
fi
part "the samples"
Scripts/test-samples.sh
part "the pages of the library"
Scripts/docs.sh
part "done"
