#!/usr/bin/env bash
# Runs schemathesis against `mafin serve`. It sends requests that /openapi.json allows and requests that it does not allow, and compares every
# answer with the description. Part of `make test-service`. schemathesis is installed into .cache.
#
#   Scripts/test-openapi.sh [MAFIN]      the built program (default: .build-test/release/mafin)
#   EXAMPLES                             number of examples for each operation (default: 30)
#   SCHEMATHESIS                         a schemathesis to use
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"

schemathesis=${SCHEMATHESIS:-$(dirname "$(python_with schemathesis 'schemathesis>=4,<5')")/schemathesis}

Scripts/fetch-model.sh
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
export MAFIN_CACHE="$work/cache"
say "training an artefact for some seconds, and indexing the sample"
"$mafin" train --data Samples/handbook --black-box local:"$cache/models/all-MiniLM-L6-v2" \
    --encoder "$cache/models/all-MiniLM-L6-v2" --time 10s --rivals none --force --quiet --output "$work/toy" >&2
"$mafin" index "$work/toy" --data Samples/handbook --output "$work/index" --quiet >&2
echo '<!doctype html><title>Report</title>' >"$work/report.html"

MAFIN_SERVE_KEYS=a-key-for-the-test "$mafin" serve "$work/toy" --index "$work/index" --feedback "$work/marks" \
    --report "$work/report.html" --max-inputs 16 --port 0 2>"$work/log" &
server=$!
url=
for _ in $(seq 100); do
    url=$(sed -n 's/.*"event":"listening","url":"\([^"]*\)".*/\1/p' "$work/log")
    [ -z "$url" ] || break
    kill -0 "$server" || die "the service ended: $(cat "$work/log")"
    sleep 0.1
done
[ -n "$url" ] || die "the service did not begin: $(cat "$work/log")"

# It runs in the temporary folder, because it leaves files where it runs.
(cd "$work" && "$schemathesis" run "$url/openapi.json" --header "Authorization: Bearer a-key-for-the-test" --max-examples "${EXAMPLES:-30}" \
    --seed 1 --request-timeout 30 --phases examples,coverage,fuzzing --checks all --exclude-checks missing_required_header \
    --continue-on-failure)
kill -TERM "$server"
wait "$server" || die "the service ended with status $?: $(tail -3 "$work/log")"
server=
if grep -q '"event":"failure"' "$work/log"; then die "a fault of the server: $(grep '"event":"failure"' "$work/log" | head -1)"; fi
say "/openapi.json is true"
