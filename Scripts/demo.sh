#!/usr/bin/env bash
# Builds the demo, downloads the encoder meanwhile, and runs the demo. Arguments go to the demo.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

Scripts/fetch-model.sh &
fetching=$!
trap 'kill "$fetching" 2>/dev/null || true' EXIT
Scripts/build.sh mafin-demo
wait "$fetching"
trap - EXIT
exec .build/release/mafin-demo "$@"
