#!/usr/bin/env bash
# Installs the wheel in a fresh Debian without Swift, and runs the demo there. Prints how long each step took. Needs root, debootstrap and the
# package index; the encoder's weights come by the program's own download.
#
#   Scripts/test-wheel.sh WHEEL [SUITE…]      Debian suites (default: bookworm); bullseye has glibc 2.31
#
#   MAFIN_ROOTS   a folder where the fresh systems are kept and taken from (default: .cache/roots); each is copied before it is used
set -euo pipefail
wheel=$(realpath "${1:?usage: Scripts/test-wheel.sh WHEEL [SUITE…]}")
shift
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ "$(id -u)" = 0 ] || die "a fresh system is made with debootstrap and entered with chroot, which root may do"
command -v debootstrap >/dev/null || apt_install debootstrap
roots=${MAFIN_ROOTS:-$cache/roots}
mkdir -p "$roots"
for suite in "${@:-bookworm}"; do
    fresh="$roots/$suite"
    if [ ! -f "$fresh/.ready" ]; then
        say "making a fresh Debian $suite"
        rm -rf "$fresh"
        debootstrap --variant=minbase --include=python3-venv,ca-certificates "$suite" "$fresh" >"$roots/$suite.log" 2>&1 \
            || { tail -n 5 "$roots/$suite.log" >&2; die "debootstrap $suite failed"; }
        touch "$fresh/.ready"
    fi
    root=$(mktemp -d "$roots/used.XXXXXX")
    trap 'umount "$root/proc" 2>/dev/null || true; rm -rf "$root"' EXIT
    cp -a "$fresh/." "$root"
    mount -t proc proc "$root/proc"
    # How this machine reaches the package index: names, certificates and pip's settings.
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    [ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/pip.conf"
    sed -i '/find-links/d' "$root/etc/pip.conf" 2>/dev/null || true
    cp "$wheel" "$root/root/"
    ! chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c 'command -v swift || command -v clang || command -v gcc' \
        || die "the fresh system has a compiler"

    inside() {
        chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
            PIP_INDEX_URL="${PIP_INDEX_URL:-}" PIP_CERT="${PIP_CERT:-}" HTTPS_PROXY="${HTTPS_PROXY:-}" sh -euc "$*"
    }
    say "Debian $suite: $(inside 'ldd --version | head -n 1')"
    begin=$(date +%s.%N)
    lap() { echo "$suite: $1 after $(python3 -c "import time; print(f'{time.time() - $begin:.1f}')") s"; }
    inside "cd /root && python3 -m venv v"
    lap "a virtual environment"
    inside "cd /root && v/bin/pip install --quiet --disable-pip-version-check ./$(basename "$wheel")"
    lap "pip install"
    inside "cd /root && v/bin/mafin --version"
    lap "the first line of the program"
    inside "cd /root && v/bin/mafin demo --time ${MAFIN_DEMO_TIME:-2m} >demo.txt 2>demo.log" \
        || { tail -n 20 "$root/root/demo.log" >&2; die "the demo failed"; }
    lap "the demo's table"
    cat "$root/root/demo.txt"
    grep -q "mafin" "$root/root/demo.txt" || die "the demo printed no table"
    inside "cd /root && v/bin/python -m mafin_embeddings --version"
    inside "cd /root && v/bin/python - <<'PYTHON'
import time
begin = time.perf_counter()
from mafin_embeddings import Artefact
artefact = Artefact.load('.cache/demo')
assert artefact.encoder.encode(['who brings the soup report']).shape == (1, 384)
print(f'Python: an artefact is open after {time.perf_counter() - begin:.2f} s')
PYTHON"
    inside "test -s /root/v/share/man/man1/mafin-train.1 && test -s /root/v/share/bash-completion/completions/mafin"
    inside "test -s /root/v/lib/python3*/site-packages/mafin_embeddings-*.dist-info/licenses/third-party/libjpeg*/copyright"
    umount "$root/proc"
    rm -rf "$root"
    trap - EXIT
    say "the wheel works on Debian $suite"
done
