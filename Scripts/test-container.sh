#!/usr/bin/env bash
# Checks Deploy/Containerfile without a container engine: makes its file system in a fresh Debian, serves an artefact there as its user does,
# and runs its health check before, during and after. Needs root and debootstrap.
#
#   Scripts/test-container.sh ARTEFACT [SUITE]      default: bookworm, the Containerfile's
set -euo pipefail
artefact=$(realpath "${1:?usage: Scripts/test-container.sh ARTEFACT [SUITE]}")
suite=${2:-bookworm}
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

fresh="${MAFIN_ROOTS:-$cache/roots}/$suite"
[ -f "$fresh/.ready" ] || die "there is no $fresh; run Scripts/test-wheel.sh first"
[ -x .build/static/mafin ] || die "there is no .build/static/mafin; run 'make static' first"
root=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; umount "$root/proc" 2>/dev/null || true; rm -rf "$root"' EXIT
cp -a "$fresh/." "$root"
mount -t proc proc "$root/proc"
install -m 755 .build/static/mafin "$root/usr/local/bin/mafin"
chroot "$root" useradd --system --create-home --home-dir /var/lib/mafin mafin
mkdir -p "$root/srv/mafin"
cp -R "$artefact" "$root/srv/mafin/artefact"
# The health check is taken from the Containerfile, so that this tests what is there.
check=$(python3 - Deploy/Containerfile <<'PYTHON'
import json, re, sys

text = open(sys.argv[1], encoding="utf-8").read().replace("\\\n", " ")
command = re.search(r"^HEALTHCHECK .*?CMD (\[.*\])\s*$", text, re.MULTILINE)
print(json.loads(command.group(1))[2])
PYTHON
)
healthy() { chroot "$root" bash -c "$check" >/dev/null 2>&1; }
! healthy || die "something answers on port 8080 already"
chroot --userspec=mafin "$root" /usr/bin/env -i HOME=/var/lib/mafin PATH=/usr/local/bin:/usr/bin:/bin MAFIN_CACHE=/var/lib/mafin/cache \
    mafin serve /srv/mafin/artefact --offline --no-keys --port 8080 >"$root/serve.log" 2>&1 &
server=$!
for _ in $(seq 60); do healthy && break; sleep 0.5; done
healthy || { tail -n 5 "$root/serve.log" >&2; die "the health check fails while the service runs"; }
say "the health check passes while the service runs"
kill -TERM "$server"
wait "$server" || true
! healthy || die "the health check passes after the service has ended"
say "the Containerfile's parts work"
