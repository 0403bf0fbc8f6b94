#!/usr/bin/env bash
# Trains, evaluates and searches with a small random encoder of every family, on the sample: `make test-encoders`.
#
#   Scripts/test-encoders.sh [MAFIN]     the built program (default: .build-test/release/mafin)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MAFIN_CACHE="$work/cache"
for family in mean mpnet xlm-roberta modernbert nomic gte; do
    python3 Tools/make_encoder_folder.py "$family" "$work/$family"
    lora=()
    [ "$family" != mpnet ] || lora=(--lora 4)
    "$mafin" train --data Samples/handbook --black-box vectors:Samples/handbook/black-box --encoder "$work/$family" \
        --time 2s --rivals none --quiet ${lora[@]+"${lora[@]}"} --output "$work/$family-artefact" >/dev/null
    "$mafin" evaluate "$work/$family-artefact" --data Samples/handbook --split test --json >"$work/$family.json"
    python3 - "$family" "$work/$family.json" <<'CHECK'
import json, sys
rows = {row["name"]: row["metrics"]["nDCG@10"] for row in json.load(open(sys.argv[2]))["systems"]}
assert rows["artefact"] >= rows["black-box"] - 0.05, rows
print(f"{sys.argv[1]}: black box {rows['black-box']:.3f}, released encoder {rows['local']:.3f}, artefact {rows['artefact']:.3f}")
CHECK
done
