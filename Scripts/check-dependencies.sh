#!/usr/bin/env bash
# Most modules must be usable in an app without a network stack. Fails when one of them uses a network package, directly
# or through another module or package, or uses Foundation's network classes.
# Arguments go to `swift package` (for instance --scratch-path .build-test).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v python3 >/dev/null || die "python3 is needed to read the package's description"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
swift package "$@" dump-package >"$work/package.json"
swift package "$@" show-dependencies --format json >"$work/graph.json"
python3 Scripts/check_dependencies.py "$work/package.json" "$work/graph.json"
