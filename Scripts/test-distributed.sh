#!/usr/bin/env bash
# Runs the samples for Ray and Spark with the real packages, and compares their vectors with those of 'mafin embed': `make test-distributed`.
#
#   Scripts/test-distributed.sh [MAFIN]     the built program (default: .build-test/release/mafin); libMafinC is beside it
#
# Ray, Spark and pyarrow come from PyPI, a Java from apt if there is none.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"
command -v java >/dev/null || apt_install default-jre-headless
Scripts/fetch-model.sh
python=$(python_with distributed numpy pyarrow 'ray[data]==2.60.0' 'pyspark==4.3.0')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MAFIN_CACHE="$work/cache" PYTHONPATH="$PWD/Python/src" MAFIN_PROGRAM="$mafin"
MAFIN_LIBRARY="$(dirname "$mafin")/libMafinC.so"
export MAFIN_LIBRARY
say "an artefact of the sample"
"$mafin" train --data Samples/handbook --black-box vectors:Samples/handbook/black-box --encoder "$cache/models/all-MiniLM-L6-v2" \
    --time 10s --rivals none --force --quiet --output "$work/handbook" >/dev/null
python3 Tools/check_distributed_samples.py --mafin "$mafin" --artefact "$work/handbook" --python "$python"
