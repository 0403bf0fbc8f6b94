#!/usr/bin/env bash
# Asks `mafin serve` with the clients that people use (openai, cohere, voyageai, LangChain, LlamaIndex, curl) and compares every vector
# with that of `mafin embed`, to 1e-5. promtool checks /metrics. Part of `make test-service`. The clients are installed into .cache.
#
#   Scripts/test-clients.sh [MAFIN]      the built program (default: .build-test/release/mafin)
#   ARTEFACT                             an artefact with a black box that can be asked (default: one that is trained for some seconds)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"
command -v curl >/dev/null || die "curl is needed"

python=$(python_with clients numpy openai cohere voyageai langchain-openai llama-index-embeddings-openai)
promtool=$(find_promtool)

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

artefact=${ARTEFACT:-}
if [ -z "$artefact" ]; then
    Scripts/fetch-model.sh
    artefact=$work/toy
    say "training an artefact for some seconds"
    "$mafin" train --data Samples/handbook --black-box local:"$cache/models/all-MiniLM-L6-v2" \
        --encoder "$cache/models/all-MiniLM-L6-v2" --time 10s --rivals none --force --quiet --output "$artefact" >&2
fi
export MAFIN_CACHE="$work/cache"

"$python" Tools/check_clients.py texts "$work"
for role in query document; do
    "$mafin" embed "$artefact" --input "$work/$role.jsonl" --as "$role" --output "$work/$role.npy" --quiet >&2
done

say "serving"
MAFIN_SERVE_KEYS=a-key-for-the-test "$mafin" serve "$artefact" --name toy --port 0 2>"$work/log" &
server=$!
for _ in $(seq 100); do
    url=$(sed -n 's/.*"event":"listening","url":"\([^"]*\)".*/\1/p' "$work/log")
    [ -z "$url" ] || break
    kill -0 "$server" || die "the service ended: $(cat "$work/log")"
    sleep 0.1
done
[ -n "$url" ] || die "the service did not begin: $(cat "$work/log")"

"$python" Tools/check_clients.py ask "$work" "$url" a-key-for-the-test

say "curl"
curl -sS --fail-with-body "$url/v1/embeddings" -H "authorization: Bearer a-key-for-the-test" \
    -H "content-type: application/json" -d @"$work/curl.json" >"$work/curl.answer"
"$python" Tools/check_clients.py curl "$work"

say "promtool"
curl -sS "$url/metrics" | "$promtool" check metrics

kill -TERM "$server"
wait "$server" || die "the service ended with status $?: $(tail -3 "$work/log")"
server=
if grep -q a-key-for-the-test "$work/log"; then die "the key is in the log"; fi
say "all clients agree with mafin embed"
