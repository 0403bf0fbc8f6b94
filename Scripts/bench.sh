#!/usr/bin/env bash
# Runs the benchmarks, each beside its peers in the same run, and writes the tables into a folder. Run it on an idle machine.
#
#   Scripts/bench.sh [NAME …]     names: training embedding queries precision tokenizer search operations start growth statistics losses guard.
#                                 Without a name all of these run. "precision" measures bf16 and int8, with the peers' own; "cache" needs 7 GB of disk
#                                 and runs only if it is named.
#   MAFIN_SHARED                  the folder with collections and peers (default ../shared)
#   PEER_HOME                     the folder into which bench/setup.sh of the shared folder put the Python peers (default ~/.cache/mafin-peers)
#   BENCH_OUTPUT                  the folder for the tables (default .cache/bench)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

shared=${MAFIN_SHARED:-../shared}
peers=${PEER_HOME:-$HOME/.cache/mafin-peers}
output=${BENCH_OUTPUT:-$cache/bench}
model="$cache/models/all-MiniLM-L6-v2"
programs=Benchmarks/.build/release
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(training embedding queries precision tokenizer search operations start growth statistics losses guard)

say "building"
swift build -c release --package-path Benchmarks >&2
mkdir -p "$output"

# Runs Tools/NAME.py with the peers' Python. Stops with a message if the peers are missing.
peer() {
    [ -x "$peers/venv/bin/python" ] || die "no Python peers at $peers: run $shared/bench/setup.sh, or set PEER_HOME"
    [ -d "$shared/bench" ] || die "no folder $shared/bench: set MAFIN_SHARED"
    local tool=$1
    shift
    "$peers/venv/bin/python" "Tools/$tool.py" "$@"
}

measure() {
    case $1 in
    training)
        peer bench-training --shared "$shared"
        peer bench-training --shared "$shared" --model bge-small --quick
        ;;
    embedding)
        peer bench-embedding --shared "$shared"
        peer bench-embedding --shared "$shared" --model bge-small
        ;;
    queries) peer bench-embedding --shared "$shared" --queries ;;
    precision)
        peer bench-embedding --shared "$shared" --precision float32 bf16 int8
        peer bench-embedding --shared "$shared" --precision float32 int8 --queries
        peer bench-training --shared "$shared" --precision float32 bf16 --quick
        ;;
    tokenizer) peer bench-tokenizer --shared "$shared" --model "$model" ;;
    search) peer bench-search --shared "$shared" ;;
    operations) peer bench-operations --shared "$shared" ;;
    start) python3 Tools/bench-start.py ;;
    growth) "$programs/bench-growth" --model "$model" --output "$output/growth" ;;
    statistics) "$programs/bench-statistics" ;;
    losses) "$programs/bench-losses" ;;
    cache)
        "$programs/bench-cache" --folder "$output/cache" --fill
        "$programs/bench-cache" --folder "$output/cache"
        rm -r "$output/cache"
        ;;
    guard) "$programs/bench-guard" ;;
    *) die "there is no benchmark $1" ;;
    esac
}

for name in "${names[@]}"; do
    say "$name"
    measure "$name" | tee "$output/$name.md"
done
say "tables are in $output"
