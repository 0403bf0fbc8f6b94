#!/usr/bin/env bash
# Compiles and runs the samples: Samples/SwiftClient, and the clients of the service in shell, Node and Go. A client whose language is not
# installed is named and left out.
#
#   Scripts/test-samples.sh [MAFIN]      the built program (default: .build-test/release/mafin)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"
Scripts/fetch-model.sh
encoder="$cache/models/all-MiniLM-L6-v2"
data="$PWD/Samples/handbook"
samples="$PWD/Samples"
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
export MAFIN_CACHE="$work/cache"

say "Samples/SwiftClient"
swift build --package-path Samples/SwiftClient -c release --scratch-path .build-client >&2
client="$PWD/.build-client/release/SwiftClient"
"$client" "$data" "$data/black-box" "$encoder" "$work/art" >"$work/swift"
cat "$work/swift"
[ "$(grep -c '^[1-3]  ' "$work/swift")" = 3 ] || die "expected three documents from SwiftClient"
ln -s "$data" "$work/DATA"
ln -s "$encoder" "$work/ENCODER"
(cd "$work" && "$client" how-do-i) || die "the Swift lines of Documentation/how-do-i.md failed"
"$client" tutorials "$data" "$encoder" "$work" || die "the Swift lines of the products' articles failed"
[ -s "$work/index.html" ] || die "the article of MafinReport wrote no page"
# The artefact that the Swift program wrote is read by the program.
"$mafin" inspect "$work/art" >/dev/null

say "serving"
"$mafin" train --data "$data" --black-box "vectors:$data/black-box" --encoder "$encoder" --time 5s --force --quiet --output "$work/served" >&2
"$mafin" index "$work/served" --data "$data" --output "$work/index" --quiet >&2
MAFIN_SERVE_KEYS=a-key-for-the-test "$mafin" serve "$work/served" --index "$work/index" --data "$data" --port 0 2>"$work/log" &
server=$!
url=
for _ in $(seq 300); do
    url=$(sed -n 's/.*"event":"listening","url":"\([^"]*\)".*/\1/p' "$work/log")
    [ -z "$url" ] || break
    kill -0 "$server" || die "the service ended: $(cat "$work/log")"
    sleep 0.1
done
[ -n "$url" ] || die "the service did not begin: $(cat "$work/log")"
export MAFIN_KEY=a-key-for-the-test MAFIN_URL="$url"
query="Who is qualified to operate the crane?"
best=$("$mafin" search "$work/served" --data "$data" --top 3 --json --quiet "$query" \
    | python3 -c 'import json, sys; print("\n".join(hit["id"] for hit in json.load(sys.stdin)["results"]))')

same() { # NAME: the ids on standard input are the program's own
    local found
    found=$(cat)
    [ "$found" = "$best" ] || die "$1: expected $best, found $found"
    say "$1: the same three documents as mafin search"
}
Samples/curl.sh "$query" "$url" | python3 -c '
import json, sys
text, answers, decoder = sys.stdin.read().strip(), [], json.JSONDecoder()
while text:
    answer, end = decoder.raw_decode(text)
    answers.append(answer)
    text = text[end:].lstrip()
vector, found, context = answers
assert len(vector["data"][0]["embedding"]) > 0 and context["context"]
print("\n".join(hit["id"] for hit in found["results"]))' | same Samples/curl.sh
if command -v node >/dev/null; then
    node Samples/node.mjs "$query" "$url" | awk 'NR > 1 { print $2 }' | same Samples/node.mjs
    if MAFIN_KEY=another node Samples/node.mjs "$query" "$url" 2>/dev/null; then die "Samples/node.mjs: a wrong key was taken"; fi
else
    say "left out: Samples/node.mjs (node is not installed)"
fi
if command -v go >/dev/null; then
    (cd "$work" && GOFLAGS=-mod=mod GOCACHE="$work/go" go run "$samples/client.go" "$query") | awk '{ print $2 }' | same Samples/client.go
else
    say "left out: Samples/client.go (go is not installed)"
fi
kill -TERM "$server"
wait "$server" || die "the service ended with status $?: $(tail -3 "$work/log")"
server=
