#!/usr/bin/env bash
# Compares `mafin serve --shards-of` with one index: `make test-shards-of`. The artefact has a stand-in, so --ask-below is compared too.
#
#   Scripts/test-shards-of.sh [MAFIN]     the built program (default: .build-test/release/mafin)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"
Scripts/fetch-model.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MAFIN_CACHE="$work/cache"
say "an artefact of the sample"
"$mafin" train --data Samples/handbook --black-box vectors:Samples/handbook/black-box --encoder "$cache/models/all-MiniLM-L6-v2" \
    --time 10s --rivals none --force --compose --stand-in --quiet --output "$work/handbook" >/dev/null
python3 Tools/check_shards_of.py --mafin "$mafin" --artefact "$work/handbook"
