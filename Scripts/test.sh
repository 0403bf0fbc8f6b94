#!/usr/bin/env bash
# Lint, build, all tests, in release mode. Arguments go to `swift test`. The last output and the status are those of `swift test`.
# With --build-only it only builds.
# The build has a folder of its own (.build-test), because testable code is compiled with other flags than the program.
#
#   MAFIN_SLOW_TESTS=1   run the slow suites too (`make test-slow`)
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
# Downloads wait for the network while the compiler works.
python=$(mktemp)
trap 'rm -f "$python"; kill $(jobs -p) 2>/dev/null || true' EXIT
Scripts/python-environment.sh >"$python" &
environment=$!
Scripts/fetch-model.sh &
model=$!
swift build --build-tests "${build[@]}"
wait "$environment"
wait "$model"
MAFIN_PYTHON=$(cat "$python")
export MAFIN_PYTHON
# If hundreds of tests begin at once, tests with time limits wait too long. (Swift versions without this variable ignore it.)
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH:-$((2 * $(getconf _NPROCESSORS_ONLN)))}
say "test"
swift test --skip-build --disable-xctest "${build[@]}" "$@"
