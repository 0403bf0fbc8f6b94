#!/usr/bin/env bash
# Lint, build, all tests, in release mode; arguments go to `swift test`. Ends with the test runner's own lines and status.
# With --build-only, only the build.
# The build has a folder of its own (.build-test), because testable code is compiled with other flags than the program.
#
#   MAFIN_SLOW_TESTS=1   the slow suites too (`make test-slow`)
#   MAFIN_SHARED         the folder of shared collections, if not ../shared
#   MAFIN_PYTHON         see Scripts/python-environment.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build=(-c release -Xswiftc -enable-testing --scratch-path .build-test)

Scripts/install-libraries.sh
if [ "${1:-}" = --build-only ]; then
    exec swift build --build-tests "${build[@]}"
fi
say "lint"
Scripts/lint.sh
Scripts/check-dependencies.sh --scratch-path .build-test
say "build"
swift build --build-tests "${build[@]}"
Scripts/fetch-model.sh
MAFIN_PYTHON=$(Scripts/python-environment.sh)
export MAFIN_PYTHON
# Hundreds of tests that all begin at once make those wait that look at a clock. (A version that does not know it runs them so.)
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH:-$((2 * $(getconf _NPROCESSORS_ONLN)))}
say "test"
exec swift test --skip-build --disable-xctest "${build[@]}" "$@"
