#!/usr/bin/env bash
# Checks that an artefact with a stand-in works with the network cut: in a network namespace that has no route and no interface but its own
# loopback, `mafin serve --offline` over an index answers searches, contexts and vectors of queries as `mafin search --offline` and
# `mafin embed --offline` do. Part of `make test-service`. Skipped where the system allows no such namespace (unshare).
#
#   Scripts/test-offline.sh [MAFIN]      the built program (default: .build-test/release/mafin)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"
if ! unshare --map-root-user --net true 2>/dev/null; then
    say "skipped: unshare may not make a namespace without a network here"
    exit 0
fi

Scripts/fetch-model.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# No cache, no key and no provider of the user's own may help.
export MAFIN_CACHE="$work/cache" HOME="$work/home"
mkdir -p "$HOME"
say "training with a stand-in for some seconds, and indexing the sample"
"$mafin" train --data Samples/handbook --black-box vectors:Samples/handbook/black-box --stand-in \
    --encoder "$cache/models/all-MiniLM-L6-v2" --time 20s --rivals none --force --quiet --output "$work/handbook" >&2
"$mafin" index "$work/handbook" --data Samples/handbook --output "$work/index" --quiet >&2

say "without a network"
unshare --map-root-user --net python3 Tools/check_offline.py "$mafin" "$work" Samples/handbook
say "the artefact works without a network"
