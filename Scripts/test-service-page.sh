#!/usr/bin/env bash
# Uses the page of `mafin serve` in headless Chromium as a person would: searches, moves weights, opens results and marks them, on a desktop in light
# and dark mode and on a phone. Checks console, network and accessibility (axe-core). Not part of `make test`, because it needs a browser. apt
# installs Chromium if there is none. Python's playwright and axe-core go to .cache/pages. Screenshots are kept in .cache/service-page.
#
#   Scripts/test-service-page.sh [MAFIN]      the built program (default: .build-test/release/mafin)
#   CHROMIUM                                  a Chromium or Chrome to use
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"
source Scripts/browser.sh

Scripts/fetch-model.sh
work=$(mktemp -d)
server=
keyed=
trap 'for one in $server $keyed; do kill "$one" 2>/dev/null || true; done; rm -rf "$work"' EXIT
say "training on the sample for some seconds, and indexing it"
"$mafin" train --data Samples/handbook --black-box vectors:Samples/handbook/black-box \
    --encoder "$cache/models/all-MiniLM-L6-v2" --time 20s --rivals none --force --quiet --output "$work/handbook" >&2
"$mafin" index "$work/handbook" --data Samples/handbook --output "$work/index" --quiet >&2
echo '<!doctype html><html lang="en"><title>Report</title><link rel="icon" href="data:,"><h1>Report</h1></html>' >"$work/report.html"

serve() {
    "$mafin" serve "$work/handbook" --index "$work/index" --data Samples/handbook --degrade --report "$work/report.html" \
        --port 0 "$@" &
}

# Waits until a service listens, and prints the address from its log.
address() {
    local url
    for _ in $(seq 100); do
        url=$(sed -n 's/.*"event":"listening","url":"\([^"]*\)".*/\1/p' "$work/$1")
        [ -z "$url" ] || break
        sleep 0.1
    done
    [ -n "$url" ] || die "the service did not begin: $(cat "$work/$1")"
    echo "$url"
}

serve --feedback "$work/marks" 2>"$work/log"
server=$!
MAFIN_SERVE_KEYS=a-key-of-the-test serve 2>"$work/keyed-log"
keyed=$!
url=$(address log)
keyed_url=$(address keyed-log)

mkdir -p "$cache/service-page"
"$python" Tools/check_service_page.py "$url" "$chromium" "$cache/service-page" "$keyed_url" a-key-of-the-test Samples/handbook
say "training on the marks"
"$mafin" feedback export "$work/marks" --index "$work/index" --output "$work/marked" >&2
"$mafin" train --data "$work/marked" --black-box "local:$cache/models/all-MiniLM-L6-v2" \
    --encoder "$cache/models/all-MiniLM-L6-v2" --time 10s --rivals none --force --quiet --output "$work/from-marks" >&2
test -s "$work/from-marks/manifest.json"
